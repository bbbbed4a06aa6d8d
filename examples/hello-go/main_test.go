package main

import "testing"

func TestItGreets(t *testing.T) {
	result, err := greet(t.Context(), Args{Name: "안녕"})
	if err != nil || result["greeting"] != "Hello, 안녕!" {
		t.Errorf("got %v, %v", result, err)
	}
}
