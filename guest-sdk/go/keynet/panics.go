package keynet

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// guarded runs the action's function. A panic becomes an error that names its place; its trace goes
// to the logs.
func guarded(f func() (string, error)) (text string, err error) {
	defer func() {
		if value := recover(); value != nil {
			frames := framesOfPanic()
			fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", value, trace(frames))
			err = Errorf(ErrInternal, "panic: %v%s", value, place(frames))
		}
	}()
	return f()
}

// framesOfPanic returns the frames of the code that panicked, the innermost first: those below the
// runtime's own, without those of this package's caller.
func framesOfPanic() []runtime.Frame {
	callers := make([]uintptr, 64)
	callers = callers[:runtime.Callers(1, callers)]
	var found []runtime.Frame
	hasPanicked := false
	for frames := runtime.CallersFrames(callers); ; {
		frame, more := frames.Next()
		isRuntime := strings.HasPrefix(frame.Function, "runtime.")
		switch {
		case isRuntime && strings.Contains(frame.Function, "anic"):
			// A later one is the panic that began it all.
			hasPanicked, found = true, nil
		case frame.Function == guardedName:
			return found
		case hasPanicked && !isRuntime:
			found = append(found, frame)
		}
		if !more {
			return found
		}
	}
}

// guardedName is what the runtime calls the function that stands between the host and the action.
const guardedName = "github.com/keynet/keynet-inference/guest-sdk/go/keynet.guarded"

// trace returns the frames as Go prints them.
func trace(frames []runtime.Frame) string {
	var text strings.Builder
	for _, frame := range frames {
		fmt.Fprintf(&text, "%s(...)\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
	}
	return text.String()
}

// place returns where the panic happened: the innermost frame of the program's own code, else the
// innermost.
func place(frames []runtime.Frame) string {
	if len(frames) == 0 {
		return ""
	}
	chosen := frames[0]
	for _, frame := range frames {
		if strings.HasPrefix(frame.Function, "main.") {
			chosen = frame
			break
		}
	}
	return fmt.Sprintf(" (%s:%d)", filepath.Base(chosen.File), chosen.Line)
}
