package keynet

import (
	"context"
	"io"
	"iter"
	"math"
	"time"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// uploadBuffer is what an [Upload] gathers before it gives it to the host, in bytes.
const uploadBuffer = 256 << 10

// Storage reads and writes objects with the host's credentials.
//
// A location is a key of the default bucket (20260131/cat.png), s3://bucket/key or, only to read, an
// http(s) URL such as a presigned one. Any call may fail with [ErrInvalid] for the location,
// [ErrDenied], [ErrTimeout] or [ErrUnavailable]; other kinds are named.
type Storage struct{}

// ObjectInfo describes an object.
type ObjectInfo struct {
	// Location is what any call takes.
	Location string
	// Size is in bytes.
	Size int64
	// ContentType is the MIME type; empty in a listing, or where it is not known.
	ContentType string
	// ETag is the store's tag for the content, where it has one.
	ETag string
	// Modified is the last change; zero where it is not known.
	Modified time.Time
}

// Stored is an object that was written.
type Stored struct {
	// Location is the one that was asked for, or the new one.
	Location string
	// URL reads the object, for the deployment's default time; empty where the action may not.
	URL string
	// ETag is the store's tag for the content, where it has one.
	ETag string
}

// A WriteGrant is a URL with which anyone can write one object, by HTTP PUT.
type WriteGrant struct {
	Location string
	URL      string
}

// PutOptions say where and how an object is written. The zero value is a new key, of the type
// application/octet-stream.
type PutOptions struct {
	// Location is the object; empty for a new key YYYYMMDD/uuid.
	Location string
	// ContentType is the MIME type.
	ContentType string
	// IfMatch is the etag that the object must have, else the call is [ErrPreconditionFailed].
	IfMatch string
	// IfAbsent is set where there must be no object yet, else the call is [ErrPreconditionFailed].
	IfAbsent bool
}

// Get returns the whole object. It is [ErrNotFound], or [ErrTooLarge] for more than an action may
// read at once: see [Storage.Open].
func (Storage) Get(ctx context.Context, location string) ([]byte, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return nil, err
	}
	data, failure := asked.Get(location, nil)
	return data, failed(failure)
}

// GetIfChanged returns the whole object, and false without it while it still has the etag.
func (Storage) GetIfChanged(ctx context.Context, location, etag string) ([]byte, bool, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return nil, false, err
	}
	data, failure := asked.Get(location, &etag)
	err = failed(failure)
	if KindOf(err) == ErrPreconditionFailed {
		return nil, false, nil
	}
	return data, err == nil, err
}

// Open opens an object to read parts of it. It is [ErrNotFound].
func (Storage) Open(ctx context.Context, location string) (*Object, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return nil, err
	}
	opened, failure := asked.Open(location)
	if failure != nil {
		return nil, failed(failure)
	}
	return &Object{
		handle:      opened,
		size:        int64(opened.Size()),
		contentType: text(opened.ContentType()),
		etag:        text(opened.ETag()),
	}, nil
}

// Head describes an object without reading it. It is [ErrNotFound].
func (Storage) Head(ctx context.Context, location string) (ObjectInfo, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return ObjectInfo{}, err
	}
	info, failure := asked.Head(location)
	return objectInfoOf(info), failed(failure)
}

// Put writes an object. It is [ErrTooLarge] for more than an action may write.
func (Storage) Put(ctx context.Context, data []byte, options PutOptions) (Stored, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return Stored{}, err
	}
	any := "*"
	absent := &any
	if !options.IfAbsent {
		absent = nil
	}
	stored, failure := asked.Put(data, options.target(), given(options.IfMatch), absent)
	return storedOf(stored), failed(failure)
}

// PutTensor writes a tensor's data, which does not pass through the action. Conditions are
// [ErrInvalid].
func (Storage) PutTensor(ctx context.Context, tensor *Tensor, options PutOptions) (Stored, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return Stored{}, err
	}
	if err := options.refuseConditions(); err != nil {
		return Stored{}, err
	}
	if err := tensor.usable(); err != nil {
		return Stored{}, err
	}
	stored, failure := asked.PutTensor(tensor.handle, options.target())
	return storedOf(stored), failed(failure)
}

// Upload begins to write an object in parts, for what does not fit in memory. Conditions are
// [ErrInvalid].
func (Storage) Upload(ctx context.Context, options PutOptions) (*Upload, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return nil, err
	}
	if err := options.refuseConditions(); err != nil {
		return nil, err
	}
	begun, failure := asked.CreateUpload(options.target())
	if failure != nil {
		return nil, failed(failure)
	}
	return &Upload{handle: begun}, nil
}

// Presign returns a URL with which anyone can read the object for a time, in whole seconds; 0 for
// the deployment's default. It is [ErrInvalid] for longer than the store allows.
func (Storage) Presign(ctx context.Context, location string, ttl time.Duration) (string, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return "", err
	}
	url, failure := asked.Presign(location, seconds(ttl))
	return url, failed(failure)
}

// PresignPut returns a URL with which anyone can write the object for a time, as [Storage.Presign];
// a writer must send the content type. Conditions are [ErrInvalid].
func (Storage) PresignPut(ctx context.Context, options PutOptions, ttl time.Duration) (WriteGrant, error) {
	asked, err := hostNow(ctx)
	if err != nil {
		return WriteGrant{}, err
	}
	if err := options.refuseConditions(); err != nil {
		return WriteGrant{}, err
	}
	grant, failure := asked.PresignPut(options.target(), seconds(ttl))
	return WriteGrant(grant), failed(failure)
}

// List returns the objects whose location starts with prefix, in the order of their keys: the start
// of a key, or s3://bucket/ and the start of a key. After an error there is nothing more.
func (Storage) List(ctx context.Context, prefix string) iter.Seq2[ObjectInfo, error] {
	return func(yield func(ObjectInfo, error) bool) {
		var cursor *string
		for {
			asked, err := hostNow(ctx)
			if err != nil {
				yield(ObjectInfo{}, err)
				return
			}
			page, next, failure := asked.List(prefix, cursor)
			if failure != nil {
				yield(ObjectInfo{}, failed(failure))
				return
			}
			for _, info := range page {
				if !yield(objectInfoOf(info), nil) {
					return
				}
			}
			if next == nil {
				return
			}
			cursor = next
		}
	}
}

// Delete deletes an object; one that is not there is no error.
func (Storage) Delete(ctx context.Context, location string) error {
	asked, err := hostNow(ctx)
	if err != nil {
		return err
	}
	return failed(asked.Delete(location))
}

// An Object is open for reading; its bytes stay in the store until they are read. Every read is of
// the content that was there when it was opened: [ErrPreconditionFailed] once it was replaced.
type Object struct {
	handle      host.Object
	size        int64
	contentType string
	etag        string
	closed      bool
}

// Size returns the size in bytes.
func (o *Object) Size() int64 { return o.size }

// ContentType returns the MIME type; empty where it is not known.
func (o *Object) ContentType() string { return o.contentType }

// ETag returns the store's tag for the content, where it has one.
func (o *Object) ETag() string { return o.etag }

// ReadAt implements [io.ReaderAt]. For an [io.Reader]: io.NewSectionReader(object, 0, object.Size()).
func (o *Object) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, Errorf(ErrInvalid, "the offset %d is negative", offset)
	}
	if o.closed {
		return 0, Errorf(ErrInvalid, "the object was closed")
	}
	data, failure := o.handle.Read(uint64(offset), uint64(len(p)))
	if failure != nil {
		return 0, failed(failure)
	}
	n := copy(p, data)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Tensor returns the whole object as a tensor; its bytes do not pass through the action. It is
// [ErrInvalid] if its size is not that of the shape.
func (o *Object) Tensor(dataType DataType, shape []int) (*Tensor, error) {
	number, err := dataType.number()
	if err != nil {
		return nil, err
	}
	if o.closed {
		return nil, Errorf(ErrInvalid, "the object was closed")
	}
	made, failure := o.handle.ToTensor(number, wide(shape))
	if failure != nil {
		return nil, failed(failure)
	}
	return tensorOf(made), nil
}

// Close closes the object: a read of it is [ErrInvalid] from then on.
func (o *Object) Close() error {
	if !o.closed {
		o.closed = true
		o.handle.Drop()
	}
	return nil
}

// An Upload is an object that is written in parts. It is there for others after [Upload.Finish];
// without that it is aborted.
type Upload struct {
	handle host.Upload
	buffer []byte
}

// Write implements [io.Writer].
func (u *Upload) Write(p []byte) (int, error) {
	u.buffer = append(u.buffer, p...)
	if len(u.buffer) < uploadBuffer {
		return len(p), nil
	}
	if err := u.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (u *Upload) flush() error {
	failure := u.handle.Write(u.buffer)
	u.buffer = u.buffer[:0]
	return failed(failure)
}

// Finish makes the object visible as a whole, and replaces what is there.
func (u *Upload) Finish() (Stored, error) {
	if len(u.buffer) > 0 {
		if err := u.flush(); err != nil {
			return Stored{}, err
		}
	}
	stored, failure := u.handle.Finish()
	return storedOf(stored), failed(failure)
}

// Abort throws away what was written. After Finish it does nothing, so that it can be deferred.
func (u *Upload) Abort() error { return failed(u.handle.Abort()) }

// hostNow returns the host of a call, unless ctx has ended.
func hostNow(ctx context.Context) (host.Host, error) {
	asked, err := hostOf(ctx)
	if err != nil {
		return nil, err
	}
	switch err := ctx.Err(); err {
	case nil:
		return asked, nil
	case context.DeadlineExceeded:
		return nil, Errorf(ErrTimeout, "storage was not asked: %w", err)
	default:
		return nil, Errorf(ErrInternal, "storage was not asked: %w", err)
	}
}

func (o PutOptions) target() host.Target {
	return host.Target{Location: given(o.Location), ContentType: given(o.ContentType)}
}

// refuseConditions returns an error if there are conditions, where the host takes none.
func (o PutOptions) refuseConditions() error {
	if o.IfMatch != "" || o.IfAbsent {
		return Errorf(ErrInvalid, "IfMatch and IfAbsent are for Put only")
	}
	return nil
}

// given returns nil for an empty text.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func text(given *string) string {
	if given == nil {
		return ""
	}
	return *given
}

// seconds returns nil for 0, and at least 1 for anything shorter than a second.
func seconds(ttl time.Duration) *uint32 {
	if ttl == 0 {
		return nil
	}
	whole := uint32(min(max(math.Ceil(ttl.Seconds()), 0), math.MaxUint32))
	return &whole
}

func storedOf(stored host.Stored) Stored {
	return Stored{Location: stored.Location, URL: stored.URL, ETag: text(stored.ETag)}
}

func objectInfoOf(info host.ObjectInfo) ObjectInfo {
	described := ObjectInfo{
		Location:    info.Location,
		Size:        int64(info.Size),
		ContentType: text(info.ContentType),
		ETag:        text(info.ETag),
	}
	if info.ModifiedMs != nil {
		described.Modified = time.UnixMilli(int64(*info.ModifiedMs))
	}
	return described
}
