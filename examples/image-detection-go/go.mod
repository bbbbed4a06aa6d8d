module example/image-detection-go

go 1.26.0

require (
	github.com/keynet/keynet-inference/guest-sdk/go v0.1.0
	golang.org/x/image v0.48.0
)

require (
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/text v0.44.0 // indirect
)

replace github.com/keynet/keynet-inference/guest-sdk/go => ../../guest-sdk/go
