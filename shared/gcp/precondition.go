package gcp

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Overtaken reports whether Firestore refused a write because a precondition did
// not hold: somebody else has written, made or deleted the document meanwhile.
func Overtaken(err error) bool {
	switch status.Code(err) {
	case codes.FailedPrecondition, codes.NotFound, codes.AlreadyExists:
		return true
	}
	return false
}
