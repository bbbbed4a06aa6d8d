module example/parity-go

go 1.25

require github.com/keynet/keynet-inference/guest-sdk/go v0.1.0

replace github.com/keynet/keynet-inference/guest-sdk/go => ../../../guest-sdk/go
