package keynettest

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/memory"
	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// url is what presigned URLs begin with: no server has this name.
const url = "https://storage.invalid/"

// store is objects in memory.
type store struct {
	lock   sync.Mutex
	all    map[string]*object
	stored int
}

type object struct {
	data        []byte
	contentType string
	etag        string
	byAction    bool
}

func (s *store) put(location string, data []byte, contentType string, byAction bool) host.Stored {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.stored++
	etag := fmt.Sprintf("%q", fmt.Sprint(s.stored))
	if contentType == "" && byAction {
		contentType = "application/octet-stream"
	}
	s.all[location] = &object{slices.Clone(data), contentType, etag, byAction}
	return host.Stored{Location: location, URL: url + location, ETag: &etag}
}

// find returns the object at a location, which may be a presigned URL, and its key.
func (s *store) find(location string) (string, *object, *host.Failure) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, key := range []string{location, strings.TrimPrefix(location, url)} {
		if found, ok := s.all[key]; ok {
			return key, found, nil
		}
	}
	if location == "" {
		return "", nil, failuref(keynet.ErrInvalid, "the location is empty")
	}
	return "", nil, failuref(keynet.ErrNotFound, "there is no object at %q in this test: add it to Objects", location)
}

// writable returns the key that a call writes.
func (s *store) writable(location *string) (string, *host.Failure) {
	s.lock.Lock()
	defer s.lock.Unlock()
	switch {
	case location == nil:
		return fmt.Sprintf("20260131/%08x-0000-4000-8000-000000000000", s.stored+1), nil
	case strings.HasPrefix(*location, "http://"), strings.HasPrefix(*location, "https://"):
		return "", failuref(keynet.ErrInvalid, "%q is a URL, which can only be read", *location)
	case strings.HasPrefix(*location, "/"):
		return "", failuref(keynet.ErrInvalid, "%q is not a key", *location)
	}
	return *location, nil
}

func (h *testHost) Get(location string, ifNoneMatch *string) ([]byte, *host.Failure) {
	_, found, failed := h.objects().find(location)
	if failed != nil {
		return nil, failed
	}
	if ifNoneMatch != nil && *ifNoneMatch == found.etag {
		return nil, failuref(keynet.ErrPreconditionFailed, "the object %q still has the etag %s", location, found.etag)
	}
	return slices.Clone(found.data), nil
}

func (h *testHost) Open(location string) (host.Object, *host.Failure) {
	key, found, failed := h.objects().find(location)
	if failed != nil {
		return nil, failed
	}
	return &opened{h.objects(), key, found}, nil
}

func (h *testHost) Head(location string) (host.ObjectInfo, *host.Failure) {
	key, found, failed := h.objects().find(location)
	if failed != nil {
		return host.ObjectInfo{}, failed
	}
	return found.info(key), nil
}

func (o *object) info(key string) host.ObjectInfo {
	return host.ObjectInfo{Location: key, Size: uint64(len(o.data)), ContentType: &o.contentType, ETag: &o.etag}
}

func (h *testHost) Put(data []byte, target host.Target, ifMatch, ifNoneMatch *string) (host.Stored, *host.Failure) {
	key, failed := h.objects().writable(target.Location)
	if failed != nil {
		return host.Stored{}, failed
	}
	_, found, _ := h.objects().find(key)
	if ifNoneMatch != nil && found != nil || ifMatch != nil && (found == nil || found.etag != *ifMatch) {
		return host.Stored{}, failuref(keynet.ErrPreconditionFailed, "the object %q is not the one that is expected", key)
	}
	return h.objects().put(key, data, contentType(target), true), nil
}

func (h *testHost) PutTensor(tensor host.Tensor, target host.Target) (host.Stored, *host.Failure) {
	return h.Put(tensor.Data(), target, nil, nil)
}

func (h *testHost) CreateUpload(target host.Target) (host.Upload, *host.Failure) {
	key, failed := h.objects().writable(target.Location)
	if failed != nil {
		return nil, failed
	}
	return &upload{store: h.objects(), key: key, contentType: contentType(target)}, nil
}

func (h *testHost) Presign(location string, seconds *uint32) (string, *host.Failure) {
	if seconds != nil && *seconds == 0 {
		return "", failuref(keynet.ErrInvalid, "a presigned URL is valid for 1 second or more")
	}
	return url + strings.TrimPrefix(location, url), nil
}

func (h *testHost) PresignPut(target host.Target, seconds *uint32) (host.Grant, *host.Failure) {
	key, failed := h.objects().writable(target.Location)
	if failed != nil {
		return host.Grant{}, failed
	}
	signed, failed := h.Presign(key, seconds)
	return host.Grant{Location: key, URL: signed}, failed
}

func (h *testHost) List(prefix string, _ *string) ([]host.ObjectInfo, *string, *host.Failure) {
	objects := h.objects()
	objects.lock.Lock()
	defer objects.lock.Unlock()
	infos := []host.ObjectInfo{}
	for key, found := range objects.all {
		isKey := !strings.Contains(key, "://")
		if strings.HasPrefix(key, prefix) && (isKey || strings.HasPrefix(key, "s3://") && prefix != "") {
			infos = append(infos, found.info(key))
		}
	}
	slices.SortFunc(infos, func(a, b host.ObjectInfo) int { return strings.Compare(a.Location, b.Location) })
	return infos, nil, nil
}

func (h *testHost) Delete(location string) *host.Failure {
	key, failed := h.objects().writable(&location)
	if failed != nil {
		return failed
	}
	objects := h.objects()
	objects.lock.Lock()
	defer objects.lock.Unlock()
	delete(objects.all, key)
	return nil
}

// contentType returns the MIME type of a target; empty for none.
func contentType(target host.Target) string {
	if target.ContentType == nil {
		return ""
	}
	return *target.ContentType
}

// opened is an object that is open for reading.
type opened struct {
	store *store
	key   string
	found *object
}

func (o *opened) Size() uint64         { return uint64(len(o.found.data)) }
func (o *opened) ContentType() *string { return &o.found.contentType }
func (o *opened) ETag() *string        { return &o.found.etag }
func (o *opened) Drop()                {}

func (o *opened) Read(offset, length uint64) ([]byte, *host.Failure) {
	_, now, failed := o.store.find(o.key)
	if failed != nil {
		return nil, failed
	}
	if now.etag != o.found.etag {
		return nil, failuref(keynet.ErrPreconditionFailed, "the object %q was replaced", o.key)
	}
	return slices.Clone(memory.Part(o.found.data, offset, length)), nil
}

func (o *opened) ToTensor(dataType uint8, shape []int64) (host.Tensor, *host.Failure) {
	return memory.NewTensor(dataType, shape, o.found.data)
}

// upload is an object that is being written.
type upload struct {
	store       *store
	key         string
	contentType string
	data        []byte
	ended       bool
}

func (u *upload) Write(data []byte) *host.Failure {
	if u.ended {
		return failuref(keynet.ErrInvalid, "the upload was finished or aborted before")
	}
	u.data = append(u.data, data...)
	return nil
}

func (u *upload) Finish() (host.Stored, *host.Failure) {
	if u.ended {
		return host.Stored{}, failuref(keynet.ErrInvalid, "the upload was finished or aborted before")
	}
	u.ended = true
	return u.store.put(u.key, u.data, u.contentType, true), nil
}

func (u *upload) Abort() *host.Failure {
	u.ended = true
	return nil
}

func (u *upload) Drop() { u.ended = true }
