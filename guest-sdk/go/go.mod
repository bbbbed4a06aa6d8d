module github.com/keynet/keynet-inference/guest-sdk/go

go 1.25
