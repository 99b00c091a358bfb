package dashboard_test

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/identity"
)

// The snippets that sign on the app's server make what ingest takes for a proof.
func TestProofSnippets(t *testing.T) {
	t.Parallel()
	const id, secret = "ann ☕", "lethe_identity_0123456789abcdef"
	page := documents(t, publicURL)("/guides/identity").Body.String()
	for language, c := range map[string]struct {
		begin, end, file string
		run              []string
	}{
		"js": {"", `console.log(proofOf("` + id + `"));`, "proof.js", []string{"node"}},
		"go": {"package main\n\nimport (\n\"crypto/hmac\"\n\"crypto/sha256\"\n\"encoding/hex\"\n\"fmt\"\n\"os\"\n)\n\n",
			"\nfunc main() { fmt.Println(proofOf(\"" + id + "\")) }", "proof.go", []string{"go", "run"}},
		"python": {"", `print(proof_of("` + id + `"))`, "proof.py", []string{"python3"}},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			block := regexp.MustCompile(`(?s)<code class="language-` + language + `">(.*?)</code>`).FindStringSubmatch(page)
			if block == nil {
				t.Fatal("got no snippet, want one")
			}
			file := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(file, []byte(c.begin+html.UnescapeString(block[1])+c.end+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), c.run[0], append(c.run[1:], file)...)
			cmd.Env = append(os.Environ(), "LETHE_IDENTITY_SECRET="+secret)
			out, err := cmd.CombinedOutput()
			if got, want := strings.TrimSpace(string(out)), identity.Prove(secret, id); err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
}
