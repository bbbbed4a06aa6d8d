package keynet

import (
	"log/slog"
	"os"
)

// levelVariable is the variable, of the action, that chooses how much is logged.
const levelVariable = "LOG_LEVEL"

// startLogging sends package log/slog, and with it package log, to standard error: the time of a
// line is what the platform gives it.
func startLogging() {
	var level slog.Level
	if level.UnmarshalText([]byte(os.Getenv(levelVariable))) != nil {
		level = slog.LevelInfo
	}
	handler := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, attribute slog.Attr) slog.Attr {
			if len(groups) == 0 && attribute.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attribute
		},
	})
	slog.SetDefault(slog.New(handler))
}
