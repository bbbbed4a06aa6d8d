//go:build wasip1

package component

import (
	"runtime"

	abi "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/imports/keynet_inference_storage"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/types"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// Get implements [host.Host].
func (Host) Get(location string, ifNoneMatch *string) ([]byte, *host.Failure) {
	data, failure := fallible(func() result[[]byte] { return abi.Get(location, option(ifNoneMatch)) })
	return collectable(data), failure
}

// Open implements [host.Host].
func (Host) Open(location string) (host.Object, *host.Failure) {
	opened, failure := fallible(func() result[*abi.Object] { return abi.Open(location) })
	if failure != nil {
		return nil, failure
	}
	taken(0)
	return object{opened}, nil
}

// Head implements [host.Host].
func (Host) Head(location string) (host.ObjectInfo, *host.Failure) {
	info, failure := fallible(func() result[abi.ObjectInfo] { return abi.Head(location) })
	return objectInfo(info), failure
}

// Put implements [host.Host].
func (Host) Put(data []byte, target host.Target, ifMatch, ifNoneMatch *string) (host.Stored, *host.Failure) {
	put, failure := fallible(func() result[abi.Stored] {
		return abi.Put(data, option(target.Location), option(target.ContentType),
			option(ifMatch), option(ifNoneMatch))
	})
	return stored(put), failure
}

// PutTensor implements [host.Host].
func (Host) PutTensor(data host.Tensor, target host.Target) (host.Stored, *host.Failure) {
	defer runtime.KeepAlive(data)
	put, failure := fallible(func() result[abi.Stored] {
		return abi.PutTensor(data.(tensor).handle, option(target.Location), option(target.ContentType))
	})
	return stored(put), failure
}

// CreateUpload implements [host.Host].
func (Host) CreateUpload(target host.Target) (host.Upload, *host.Failure) {
	begun, failure := fallible(func() result[*abi.Upload] {
		return abi.CreateUpload(option(target.Location), option(target.ContentType))
	})
	if failure != nil {
		return nil, failure
	}
	taken(0)
	return upload{begun}, nil
}

// Presign implements [host.Host].
func (Host) Presign(location string, seconds *uint32) (string, *host.Failure) {
	return fallible(func() result[string] { return abi.Presign(location, option(seconds)) })
}

// PresignPut implements [host.Host].
func (Host) PresignPut(target host.Target, seconds *uint32) (host.Grant, *host.Failure) {
	grant, failure := fallible(func() result[abi.WriteGrant] {
		return abi.PresignPut(option(target.Location), option(target.ContentType), option(seconds))
	})
	return host.Grant{Location: grant.Location, URL: grant.Url}, failure
}

// List implements [host.Host].
func (Host) List(prefix string, cursor *string) ([]host.ObjectInfo, *string, *host.Failure) {
	page, failure := fallible(func() result[abi.Page] { return abi.List(prefix, option(cursor)) })
	infos := make([]host.ObjectInfo, len(page.Objects))
	for i, info := range page.Objects {
		infos[i] = objectInfo(info)
	}
	return infos, pointer(page.Next), failure
}

// Delete implements [host.Host].
func (Host) Delete(location string) *host.Failure {
	_, failure := fallible(func() result[wit_types.Unit] { return abi.Delete(location) })
	return failure
}

type object struct{ handle *abi.Object }

func (o object) Size() uint64         { return o.handle.Size() }
func (o object) ContentType() *string { return pointer(call(o.handle.ContentType)) }
func (o object) ETag() *string        { return pointer(call(o.handle.Etag)) }
func (o object) Drop()                { o.handle.Drop() }

func (o object) Read(offset, length uint64) ([]byte, *host.Failure) {
	data, failure := fallible(func() result[[]byte] { return o.handle.Read(offset, length) })
	return collectable(data), failure
}

func (o object) ToTensor(dataType uint8, shape []int64) (host.Tensor, *host.Failure) {
	return makeTensor(func() result[*abi.Tensor] { return o.handle.ToTensor(dataType, shape) })
}

type upload struct{ handle *abi.Upload }

func (u upload) Drop() { u.handle.Drop() }

func (u upload) Write(data []byte) *host.Failure {
	_, failure := fallible(func() result[wit_types.Unit] { return u.handle.Write(data) })
	return failure
}

func (u upload) Finish() (host.Stored, *host.Failure) {
	put, failure := fallible(u.handle.Finish)
	return stored(put), failure
}

func (u upload) Abort() *host.Failure {
	_, failure := fallible(u.handle.Abort)
	return failure
}

func stored(put abi.Stored) host.Stored {
	return host.Stored{Location: put.Location, URL: put.Url, ETag: pointer(put.Etag)}
}

func objectInfo(info abi.ObjectInfo) host.ObjectInfo {
	return host.ObjectInfo{
		Location:    info.Location,
		Size:        info.Size,
		ContentType: pointer(info.ContentType),
		ETag:        pointer(info.Etag),
		ModifiedMs:  pointer(info.ModifiedMs),
	}
}
