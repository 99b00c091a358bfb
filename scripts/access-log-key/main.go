// Access-log-key makes a key with which the access log's checkpoints are signed, and
// prints it: the value of the secret lethe-access-log-key. Whoever has it can make
// checkpoints, so it goes from here into Secret Manager and is kept nowhere else:
//
//	go run ./scripts/access-log-key | gcloud secrets versions add lethe-access-log-key --data-file=-
package main

import (
	"fmt"
	"os"

	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

func main() {
	key, err := merkle.NewKey()
	if err != nil {
		fmt.Fprintln(os.Stderr, "access-log-key:", err)
		os.Exit(1)
	}
	fmt.Println(key)
}
