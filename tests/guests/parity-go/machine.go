package main

import (
	crypto "crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"math/rand"
	randv2 "math/rand/v2"
	"os"
	"time"
)

// fresh returns what must be another in each activation, and the clock.
func fresh() (any, error) {
	bytes := make([]byte, 8)
	if _, err := crypto.Read(bytes); err != nil {
		return nil, err
	}
	return map[string]any{
		"different": map[string]any{
			"crypto/rand":  hex.EncodeToString(bytes),
			"math/rand":    rand.Int63(),
			"math/rand/v2": randv2.Int64(),
			"maphash":      fmt.Sprint(maphash.String(maphash.MakeSeed(), "seed")),
			"nanoseconds":  time.Now().UnixNano(),
		},
		"seconds": float64(time.Now().UnixMilli()) / 1000,
	}, nil
}

// files tries to read a file and to write one.
func files() map[string]bool {
	_, unread := os.ReadFile("/etc/passwd")
	written := false
	for _, path := range []string{"/tmp/parity", "parity"} {
		if os.WriteFile(path, nil, 0o600) == nil {
			written = true
		}
	}
	return map[string]bool{"read": unread == nil, "written": written}
}

var held [][]byte

func allocate() any {
	for {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = byte(len(held))
		}
		held = append(held, piece)
	}
}

func compute() any {
	for number := 0; ; number++ {
		runs = number
	}
}

func sleep() any {
	fmt.Println("sleeping")
	time.Sleep(10 * time.Minute)
	return nil
}

func recurse(depth int) int {
	return recurse(depth+1) + 1
}

// crashElsewhere panics where nothing can recover: in a goroutine of its own.
func crashElsewhere() (any, error) {
	go func() { panic("the other box is empty") }()
	time.Sleep(time.Second)
	return nil, nil
}
