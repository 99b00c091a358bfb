package main

import (
	"fmt"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

// childVariable marks a process that serves one function.
const childVariable = "LETHE_LOCAL_FUNCTION"

// serveFunction serves the function FUNCTION_TARGET at PORT, as a function's
// container does, until the process is ended.
func serveFunction() int {
	if err := funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")); err != nil {
		fmt.Fprintf(os.Stderr, "cannot serve: %v\n", err)
	}
	return 1
}
