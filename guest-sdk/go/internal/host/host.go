// Package host is what an action's code calls: the component's imports, or objects and models in
// memory where a test runs.
package host

// A Failure is a call that failed: one of the contract's kinds of errors, and a sentence for a
// person.
type Failure struct {
	Kind    uint8
	Message string
}

// A Host answers the calls of an action.
type Host interface {
	// Param returns one parameter as JSON text, and whether it was sent.
	Param(name string) (string, bool)
	// Params returns all parameters as a JSON object.
	Params() string

	Predict(request Request) ([]Named, *Failure)
	PredictMany(requests []Request) []Prediction
	PredictStream(request Request) (Stream, *Failure)
	Metadata(model string) (Metadata, *Failure)

	Get(location string, ifNoneMatch *string) ([]byte, *Failure)
	Open(location string) (Object, *Failure)
	Head(location string) (ObjectInfo, *Failure)
	Put(data []byte, target Target, ifMatch, ifNoneMatch *string) (Stored, *Failure)
	PutTensor(tensor Tensor, target Target) (Stored, *Failure)
	CreateUpload(target Target) (Upload, *Failure)
	Presign(location string, seconds *uint32) (string, *Failure)
	PresignPut(target Target, seconds *uint32) (Grant, *Failure)
	List(prefix string, cursor *string) ([]ObjectInfo, *string, *Failure)
	Delete(location string) *Failure
}

// A Tensor is an immutable array outside the action's memory.
type Tensor interface {
	DataType() uint8
	Shape() []int64
	ByteLength() uint64
	Data() []byte
	Read(offset, length uint64) []byte
	Drop()
}

// A Named tensor is an input or output of a model.
type Named struct {
	Name   string
	Tensor Tensor
}

// A Request is one question to one model.
type Request struct {
	Model      string
	Inputs     []Named
	Outputs    []string
	TimeoutMs  *uint32
	Parameters string
}

// A Prediction is the outcome of one request of several.
type Prediction struct {
	Outputs []Named
	Failure *Failure
}

// A Stream is the answers of a model that answers many times.
type Stream interface {
	// Next returns false after the last answer.
	Next() ([]Named, bool, *Failure)
	Drop()
}

// A TensorInfo is an input or output as a model declares it.
type TensorInfo struct {
	Name     string
	DataType uint8
	Shape    []int64
}

// Metadata is a model as its server describes it.
type Metadata struct {
	Name     string
	Versions []string
	Platform string
	Inputs   []TensorInfo
	Outputs  []TensorInfo
}

// A Target is the object to write; nil for a new key, and for the default MIME type.
type Target struct {
	Location    *string
	ContentType *string
}

// An ObjectInfo describes an object.
type ObjectInfo struct {
	Location    string
	Size        uint64
	ContentType *string
	ETag        *string
	ModifiedMs  *uint64
}

// Stored is an object that was written.
type Stored struct {
	Location string
	URL      string
	ETag     *string
}

// A Grant is a URL that writes an object.
type Grant struct {
	Location string
	URL      string
}

// An Object is open for reading.
type Object interface {
	Size() uint64
	ContentType() *string
	ETag() *string
	Read(offset, length uint64) ([]byte, *Failure)
	ToTensor(dataType uint8, shape []int64) (Tensor, *Failure)
	Drop()
}

// An Upload is an object that is being written.
type Upload interface {
	Write(data []byte) *Failure
	Finish() (Stored, *Failure)
	Abort() *Failure
	Drop()
}
