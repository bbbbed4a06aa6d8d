/* Objects. */
#ifndef KEYNET_STORAGE_HPP
#define KEYNET_STORAGE_HPP

#include <algorithm>
#include <chrono>
#include <iterator>

#include "tensor.hpp"

namespace keynet {

/* What the store knows about an object. */
struct ObjectInfo {
    std::string location;
    std::uint64_t size = 0;
    /* None in a listing, or when unknown. */
    std::optional<std::string> content_type;
    std::optional<std::string> etag;
    std::optional<std::chrono::sys_time<std::chrono::milliseconds>> modified;
};

/* Where an object went. */
struct Stored {
    std::string location;
    /* A presigned URL that reads it; empty where the action may not read the location. */
    std::string url;
    std::optional<std::string> etag;
};

/* A URL that lets anyone write one object, by HTTP PUT. */
struct WriteGrant {
    std::string location;
    std::string url;
};

/* How an object is stored. */
struct PutOptions {
    /* None for a new key `YYYYMMDD/uuid`. */
    std::optional<std::string> location = {};
    /* None for `application/octet-stream`. */
    std::optional<std::string> content_type = {};
    /* Only over the content that has this etag. */
    std::optional<std::string> if_match = {};
    /* Only where nothing is. */
    bool if_absent = false;
};

/* A part of a listing. */
struct Page {
    std::vector<ObjectInfo> objects;
    /* The cursor of the next part; none at the end. */
    std::optional<std::string> next;
};

namespace detail {

inline ObjectInfo take_info(keynet_object_info &found) {
    ObjectInfo info;
    info.location = found.location;
    info.size = found.size;
    if (found.content_type != nullptr) info.content_type = found.content_type;
    if (found.etag != nullptr) info.etag = found.etag;
    if (found.modified_ms != 0) {
        info.modified.emplace(std::chrono::milliseconds(found.modified_ms));
    }
    keynet_object_info_free(&found);
    return info;
}

inline Stored take_stored(keynet_stored &found) {
    Stored stored{found.location, found.url, std::nullopt};
    if (found.etag != nullptr) stored.etag = found.etag;
    keynet_stored_free(&found);
    return stored;
}

inline keynet_optional_u32 seconds(std::optional<std::chrono::seconds> ttl) {
    if (!ttl) return {};
    auto most = std::int64_t{std::numeric_limits<std::uint32_t>::max()};
    return {true, static_cast<std::uint32_t>(std::clamp<std::int64_t>(ttl->count(), 0, most))};
}

} // namespace detail

/* An object opened for reading; its bytes stay in the store. */
class Object {
public:
    explicit Object(keynet_object object) : object_(object) {}
    Object(Object &&other) noexcept : object_(std::exchange(other.object_, {})) {}
    Object &operator=(Object &&other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Object() { keynet_object_close(&object_); }

    [[nodiscard]] std::uint64_t size() const { return keynet_object_size(object_); }
    [[nodiscard]] std::optional<std::string> content_type() const {
        return detail::take_optional(keynet_object_content_type(object_));
    }
    [[nodiscard]] std::optional<std::string> etag() const {
        return detail::take_optional(keynet_object_etag(object_));
    }

    /* Reads `length` bytes from byte `offset` on; fewer, or none, where the object ends. */
    [[nodiscard]] Result<Bytes> read(std::uint64_t offset, std::uint64_t length) const {
        detail::CError error;
        keynet_bytes data{};
        if (!keynet_object_read(object_, offset, length, &data, error.out())) return error.take();
        return Bytes(data);
    }

    /* Makes the whole object a tensor that does not pass through the action's memory. */
    [[nodiscard]] Result<Tensor> to_tensor(DataType type, const Shape &shape) const {
        detail::CError error;
        keynet_tensor tensor{};
        if (!keynet_object_to_tensor(object_, static_cast<keynet_data_type>(type), shape.data(),
                                     shape.size(), &tensor, error.out())) {
            return error.take();
        }
        return Tensor(tensor);
    }

private:
    keynet_object object_{};
};

/* An object being written in parts; it is aborted where its owner ends before `finish`. */
class Upload {
public:
    explicit Upload(keynet_upload upload) : upload_(upload) {}
    Upload(Upload &&other) noexcept : upload_(std::exchange(other.upload_, {})) {}
    Upload &operator=(Upload &&other) noexcept {
        std::swap(upload_, other.upload_);
        return *this;
    }
    ~Upload() { keynet_upload_drop(&upload_); }

    [[nodiscard]] Result<void> write(std::span<const std::uint8_t> data) {
        return write(data.data(), data.size());
    }
    [[nodiscard]] Result<void> write(std::string_view text) { return write(text.data(), text.size()); }

    /* Makes the object visible. */
    [[nodiscard]] Result<Stored> finish() {
        detail::CError error;
        keynet_stored stored{};
        if (!keynet_upload_finish(&upload_, &stored, error.out())) return error.take();
        return detail::take_stored(stored);
    }

    [[nodiscard]] Result<void> abort() {
        detail::CError error;
        if (!keynet_upload_abort(&upload_, error.out())) return error.take();
        return {};
    }

private:
    Result<void> write(const void *data, std::size_t size) {
        detail::CError error;
        if (!keynet_upload_write(upload_, data, size, error.out())) return error.take();
        return {};
    }

    keynet_upload upload_{};
};

/* Reads and writes objects. A location is a key of the default bucket, `s3://bucket/key` or, only to read,
 * an http(s) URL. */
class Storage {
public:
    [[nodiscard]] Result<Bytes> get(const std::string &location) const {
        if (auto bad = check(location)) return std::unexpected(*bad);
        detail::CError error;
        keynet_bytes data{};
        if (!keynet_storage_get(location.c_str(), &data, error.out())) return error.take();
        return Bytes(data);
    }

    /* Reads an object; none if it still has this etag. */
    [[nodiscard]] Result<std::optional<Bytes>> get_if_changed(const std::string &location,
                                                              const std::string &etag) const {
        if (auto bad = check(location)) return std::unexpected(*bad);
        detail::CError error;
        keynet_bytes data{};
        bool changed = false;
        if (!keynet_storage_get_if_changed(location.c_str(), etag.c_str(), &changed, &data, error.out())) {
            return error.take();
        }
        if (!changed) return std::nullopt;
        return Bytes(data);
    }

    [[nodiscard]] Result<Object> open(const std::string &location) const {
        if (auto bad = check(location)) return std::unexpected(*bad);
        detail::CError error;
        keynet_object object{};
        if (!keynet_storage_open(location.c_str(), &object, error.out())) return error.take();
        return Object(object);
    }

    [[nodiscard]] Result<ObjectInfo> head(const std::string &location) const {
        if (auto bad = check(location)) return std::unexpected(*bad);
        detail::CError error;
        keynet_object_info info{};
        if (!keynet_storage_head(location.c_str(), &info, error.out())) return error.take();
        return detail::take_info(info);
    }

    [[nodiscard]] Result<Stored> put(std::span<const std::uint8_t> data,
                                     const PutOptions &options = {}) const {
        return put(data.data(), data.size(), options);
    }
    [[nodiscard]] Result<Stored> put(std::string_view text, const PutOptions &options = {}) const {
        return put(text.data(), text.size(), options);
    }

    /* Stores a tensor's data, which does not pass through the action's memory. */
    [[nodiscard]] Result<Stored> put_tensor(const Tensor &tensor,
                                            const std::optional<std::string> &location = {},
                                            const std::optional<std::string> &content_type = {}) const {
        if (auto bad = check_written(location, content_type)) return std::unexpected(*bad);
        detail::CError error;
        keynet_stored stored{};
        if (!keynet_storage_put_tensor(tensor.get(), detail::or_null(location),
                                       detail::or_null(content_type), &stored, error.out())) {
            return error.take();
        }
        return detail::take_stored(stored);
    }

    [[nodiscard]] Result<Upload> upload(const std::optional<std::string> &location = {},
                                        const std::optional<std::string> &content_type = {}) const {
        if (auto bad = check_written(location, content_type)) return std::unexpected(*bad);
        detail::CError error;
        keynet_upload upload{};
        if (!keynet_storage_upload(detail::or_null(location), detail::or_null(content_type), &upload,
                                   error.out())) {
            return error.take();
        }
        return Upload(upload);
    }

    /* Returns a URL with which anyone can read the object; without a time, for the deployment's. */
    [[nodiscard]] Result<std::string> presign(const std::string &location,
                                              std::optional<std::chrono::seconds> ttl = {}) const {
        if (auto bad = check(location)) return std::unexpected(*bad);
        detail::CError error;
        char *url = nullptr;
        if (!keynet_storage_presign(location.c_str(), detail::seconds(ttl), &url, error.out())) {
            return error.take();
        }
        return detail::take(url);
    }

    /* Returns a URL with which anyone can write an object; a writer must send its MIME type. */
    [[nodiscard]] Result<WriteGrant> presign_put(const std::optional<std::string> &location = {},
                                                 const std::optional<std::string> &content_type = {},
                                                 std::optional<std::chrono::seconds> ttl = {}) const {
        if (auto bad = check_written(location, content_type)) return std::unexpected(*bad);
        detail::CError error;
        char *written = nullptr, *url = nullptr;
        if (!keynet_storage_presign_put(detail::or_null(location), detail::or_null(content_type),
                                        detail::seconds(ttl), &written, &url, error.out())) {
            return error.take();
        }
        return WriteGrant{detail::take(written), detail::take(url)};
    }

    /* Lists objects whose location starts with a prefix, at most 1,000; from a page's `next` on. */
    [[nodiscard]] Result<Page> list(const std::string &prefix,
                                    const std::optional<std::string> &cursor = {}) const {
        if (auto bad = check(prefix)) return std::unexpected(*bad);
        detail::CError error;
        keynet_page found{};
        if (!keynet_storage_list(prefix.c_str(), detail::or_null(cursor), &found, error.out())) {
            return error.take();
        }
        Page page;
        for (auto &each : std::span(found.objects, found.count)) {
            page.objects.push_back(detail::take_info(each));
        }
        if (found.next != nullptr) page.next = found.next;
        keynet_page_free(&found);
        return page;
    }

    /* Lists all objects whose location starts with a prefix, page after page. */
    [[nodiscard]] Result<std::vector<ObjectInfo>> list_all(const std::string &prefix) const {
        std::vector<ObjectInfo> all;
        std::optional<std::string> cursor;
        do {
            KEYNET_TRY(auto page, list(prefix, cursor));
            std::ranges::move(page.objects, std::back_inserter(all));
            cursor = std::move(page.next);
        } while (cursor);
        return all;
    }

    /* Deletes an object; deleting one that is not there succeeds. */
    [[nodiscard]] Result<void> remove(const std::string &location) const {
        if (auto bad = check(location)) return std::unexpected(*bad);
        detail::CError error;
        if (!keynet_storage_delete(location.c_str(), error.out())) return error.take();
        return {};
    }

private:
    static std::optional<Error> check(std::string_view location) {
        return detail::check_text("the location", location);
    }
    static std::optional<Error> check_written(const std::optional<std::string> &location,
                                              const std::optional<std::string> &content_type) {
        auto bad = check(location.value_or(""));
        return bad ? bad : detail::check_text("the content type", content_type.value_or(""));
    }

    Result<Stored> put(const void *data, std::size_t size, const PutOptions &options) const {
        if (auto bad = check_written(options.location, options.content_type)) {
            return std::unexpected(*bad);
        }
        keynet_put_options lent{};
        lent.location = detail::or_null(options.location);
        lent.content_type = detail::or_null(options.content_type);
        lent.if_match = detail::or_null(options.if_match);
        lent.if_absent = options.if_absent;
        detail::CError error;
        keynet_stored stored{};
        if (!keynet_storage_put(data, size, &lent, &stored, error.out())) return error.take();
        return detail::take_stored(stored);
    }
};

} // namespace keynet

#endif
