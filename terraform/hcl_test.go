package terraform

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// config is what the .tf files of a folder say.
type config struct {
	blocks []block
	locals map[string]hclsyntax.Expression
}

type block struct {
	*hclsyntax.Block
	file string
}

func load(t *testing.T, dir string) config {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatal("no configuration in", dir, err)
	}
	c := config{locals: map[string]hclsyntax.Expression{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, diags := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, b := range parsed.Body.(*hclsyntax.Body).Blocks {
			c.blocks = append(c.blocks, block{b, filepath.Base(file)})
			if b.Type == "locals" {
				for name, a := range b.Body.Attributes {
					c.locals[name] = a.Expr
				}
			}
		}
	}
	return c
}

// resource finds one resource.
func (c config) resource(t *testing.T, kind, name string) *hclsyntax.Body {
	t.Helper()
	for _, b := range c.blocks {
		if b.Type == "resource" && slices.Equal(b.Labels, []string{kind, name}) {
			return b.Body
		}
	}
	t.Fatalf("there is no resource %s.%s", kind, name)
	return nil
}

// functions are the modules of functions, by name.
func (c config) functions() map[string]*hclsyntax.Body {
	modules := map[string]*hclsyntax.Body{}
	for _, b := range c.blocks {
		if b.Type == "module" {
			modules[b.Labels[0]] = b.Body
		}
	}
	return modules
}

// value evaluates an attribute that is written out.
func value(t *testing.T, body *hclsyntax.Body, path ...string) cty.Value {
	t.Helper()
	for _, name := range path[:len(path)-1] {
		i := slices.IndexFunc(body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == name })
		if i < 0 {
			t.Fatalf("there is no block %s", strings.Join(path, "."))
		}
		body = body.Blocks[i].Body
	}
	a := body.Attributes[path[len(path)-1]]
	if a == nil {
		return cty.NilVal
	}
	v, diags := a.Expr.Value(&hcl.EvalContext{Functions: map[string]function.Function{"toset": stdlib.MakeToFunc(cty.Set(cty.String))}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v
}

// texts are the strings of a value: one, or a list of them, or the keys of a map.
func texts(v cty.Value) []string {
	switch {
	case v == cty.NilVal:
		return nil
	case v.Type() == cty.String:
		return []string{v.AsString()}
	}
	var all []string
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if v.Type().IsObjectType() || v.Type().IsMapType() {
			e = k
		}
		all = append(all, e.AsString())
	}
	slices.Sort(all)
	return all
}

// field is an attribute of an object, as text; empty if it has none.
func field(v cty.Value, name string) string {
	if !v.Type().HasAttribute(name) {
		return ""
	}
	return v.GetAttr(name).AsString()
}

// keys are the keys of an expression that makes a map: written out, merged of others,
// or a local.
func (c config) keys(t *testing.T, e hclsyntax.Expression) []string {
	t.Helper()
	switch e := e.(type) {
	case *hclsyntax.ObjectConsExpr:
		var all []string
		for _, item := range e.Items {
			all = append(all, hcl.ExprAsKeyword(item.KeyExpr))
		}
		return all
	case *hclsyntax.FunctionCallExpr:
		var all []string
		for _, arg := range e.Args {
			all = append(all, c.keys(t, arg)...)
		}
		return all
	case *hclsyntax.ScopeTraversalExpr:
		if local := c.locals[e.Traversal[1].(hcl.TraverseAttr).Name]; e.Traversal.RootName() == "local" && local != nil {
			return c.keys(t, local)
		}
	}
	t.Fatalf("%v: the keys are not written out", e.Range())
	return nil
}

// attribute is an attribute of an object that is written out.
func attribute(t *testing.T, e hclsyntax.Expression, name string) hclsyntax.Expression {
	t.Helper()
	for _, item := range e.(*hclsyntax.ObjectConsExpr).Items {
		if hcl.ExprAsKeyword(item.KeyExpr) == name {
			return item.ValueExpr
		}
	}
	t.Fatalf("%v: there is no %s", e.Range(), name)
	return nil
}

// source is an expression as it is written.
func source(t *testing.T, e hclsyntax.Expression) string {
	t.Helper()
	r := e.Range()
	text, err := os.ReadFile(r.Filename)
	if err != nil {
		t.Fatal(err)
	}
	return string(r.SliceBytes(text))
}
