package keynet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// A Kind is why a call failed. It is an error itself: errors.Is(err, keynet.ErrNotFound).
type Kind string

// The kinds of errors, the same in every language of the platform.
const (
	// ErrInvalid: a name, location, shape, type or length is wrong. As an action's own error it
	// blames the caller.
	ErrInvalid Kind = "invalid"
	// ErrNotFound: there is no such model, version, object or bucket.
	ErrNotFound Kind = "not-found"
	// ErrDenied: the deployment's policy, or the server behind it, does not allow it.
	ErrDenied Kind = "denied"
	// ErrPreconditionFailed: the object's etag is not the expected one, or is the one already held.
	ErrPreconditionFailed Kind = "precondition-failed"
	// ErrTooLarge: more bytes, requests or handles than the deployment allows.
	ErrTooLarge Kind = "too-large"
	// ErrTimeout: no answer in the time given, or in the time the activation has left.
	ErrTimeout Kind = "timeout"
	// ErrUnavailable: a server is down, busy or not configured. The same call may work later.
	ErrUnavailable Kind = "unavailable"
	// ErrInternal: anything else.
	ErrInternal Kind = "internal"
)

// kinds are the kinds by their numbers in the contract.
var kinds = [...]Kind{
	ErrInvalid, ErrNotFound, ErrDenied, ErrPreconditionFailed,
	ErrTooLarge, ErrTimeout, ErrUnavailable, ErrInternal,
}

// Error returns the kind's name.
func (k Kind) Error() string { return string(k) }

// number returns the kind's number in the contract.
func (k Kind) number() uint8 {
	for number, kind := range kinds {
		if kind == k {
			return uint8(number)
		}
	}
	return uint8(len(kinds) - 1)
}

// An Error is a failed call, or the action's own failure.
//
// [errors.Is] finds its kind, and what package io/fs and context call the same: [fs.ErrNotExist],
// [fs.ErrPermission], [context.DeadlineExceeded].
type Error struct {
	// Kind is what to match on.
	Kind Kind
	// Message is a sentence for a person.
	Message string

	cause error
}

// Errorf returns an error of a kind. As for [fmt.Errorf], %w wraps an error.
func Errorf(kind Kind, format string, args ...any) error {
	formatted := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: formatted.Error(), cause: formatted}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the error that was wrapped, if any.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the error's kind, or another package's name for it.
func (e *Error) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Kind == ErrNotFound
	case fs.ErrPermission:
		return e.Kind == ErrDenied
	case context.DeadlineExceeded:
		return e.Kind == ErrTimeout
	}
	return target == e.Kind
}

// KindOf returns the kind of err: that of an [Error] in its chain, [ErrTimeout] for a context's
// deadline, else [ErrInternal]; none for no error.
func KindOf(err error) Kind {
	var known *Error
	var kind Kind
	switch {
	case err == nil:
		return ""
	case errors.As(err, &known):
		return known.Kind
	case errors.As(err, &kind):
		return kind
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	}
	return ErrInternal
}

// failed returns the error of a failed call; nil if it did not fail.
func failed(failure *host.Failure) error {
	if failure == nil {
		return nil
	}
	kind := ErrInternal
	if int(failure.Kind) < len(kinds) {
		kind = kinds[failure.Kind]
	}
	return &Error{Kind: kind, Message: failure.Message}
}
