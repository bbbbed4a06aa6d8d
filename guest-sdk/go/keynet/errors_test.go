package keynet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

func TestAnErrorIsItsKindHoweverItIsWrapped(t *testing.T) {
	for number, kind := range kinds {
		err := fmt.Errorf("reading: %w", failed(&host.Failure{Kind: uint8(number), Message: "no luck"}))
		var known *Error
		if !errors.Is(err, kind) || !errors.As(err, &known) || known.Message != "no luck" || KindOf(err) != kind {
			t.Errorf("%v is not %s", err, kind)
		}
		for _, other := range kinds {
			if other != kind && errors.Is(err, other) {
				t.Errorf("%v is %s too", err, other)
			}
		}
	}
	if failed(nil) != nil || KindOf(nil) != "" || KindOf(errors.New("x")) != ErrInternal {
		t.Error("no failure is no error, and any error is internal")
	}
}

func TestErrorsAreWhatOtherPackagesCallThem(t *testing.T) {
	for kind, other := range map[Kind]error{
		ErrNotFound: fs.ErrNotExist, ErrDenied: fs.ErrPermission, ErrTimeout: context.DeadlineExceeded,
	} {
		if err := Errorf(kind, "x"); !errors.Is(err, other) {
			t.Errorf("%s is not %v", kind, other)
		}
	}
	if KindOf(fmt.Errorf("late: %w", context.DeadlineExceeded)) != ErrTimeout {
		t.Error("the end of a context is a time-out")
	}
	cause := errors.New("cause")
	if err := Errorf(ErrInvalid, "x: %w", cause); !errors.Is(err, cause) || err.Error() != "x: cause" {
		t.Errorf("got %v", err)
	}
}
