package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/lethe-analytics/lethe/emulators/local/localquery"
)

// index is a composite index, or a single-field one that is configured.
type index struct {
	database, collection string
	group                bool
	fields               []string // "field ASC", "field DESC", "field[]"; of a composite index __name__ is the last
	used                 bool
}

// String implements fmt.Stringer.
func (x *index) String() string {
	return fmt.Sprintf("%s/%s %v (all: %t)", x.database, x.collection, x.fields, x.group)
}

// config is what firestore.tf says.
type config struct {
	composite []*index
	fields    map[string][]*index // database/collection/field that is not as by default → its indexes
}

type indexBlock struct {
	Database   string   `hcl:"database"`
	Collection string   `hcl:"collection"`
	Scope      string   `hcl:"query_scope,optional"`
	Fields     []part   `hcl:"fields,block"`
	Rest       hcl.Body `hcl:",remain"`
}

type part struct {
	Field string  `hcl:"field_path"`
	Order *string `hcl:"order,optional"`
	Array *string `hcl:"array_config,optional"`
}

type fieldBlock struct {
	Database   string   `hcl:"database"`
	Collection string   `hcl:"collection"`
	Field      string   `hcl:"field"`
	Config     []single `hcl:"index_config,block"`
	Rest       hcl.Body `hcl:",remain"`
}

type single struct {
	Indexes []struct {
		Order *string `hcl:"order,optional"`
		Array *string `hcl:"array_config,optional"`
		Scope string  `hcl:"query_scope,optional"`
	} `hcl:"indexes,block"`
}

const group = "COLLECTION_GROUP"

func readConfig(file string) (*config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseConfig(text, file)
}

func parseConfig(text []byte, file string) (*config, error) {
	parsed, diags := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	c := &config{fields: map[string][]*index{}}
	for _, b := range parsed.Body.(*hclsyntax.Body).Blocks {
		if b.Type != "resource" || b.Labels[0] != "google_firestore_index" && b.Labels[0] != "google_firestore_field" {
			continue
		}
		if err := c.resource(b); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(b.Labels, "."), err)
		}
	}
	return c, nil
}

// resource reads one resource, for each of its keys.
func (c *config) resource(b *hclsyntax.Block) error {
	database := func(name string) cty.Value { return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name)}) }
	ctx := &hcl.EvalContext{
		Functions: map[string]function.Function{"toset": stdlib.MakeToFunc(cty.Set(cty.String)), "split": stdlib.SplitFunc},
		Variables: map[string]cty.Value{
			"google_firestore_database": cty.ObjectVal(map[string]cty.Value{
				"databases": cty.MapVal(map[string]cty.Value{"(default)": database("(default)"), "edge": database("edge")}),
			}),
		},
	}
	each := b.Body.Attributes["for_each"]
	if each == nil {
		return c.one(b, ctx)
	}
	all, diags := each.Expr.Value(ctx)
	if diags.HasErrors() {
		return diags
	}
	for it := all.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if all.Type().IsSetType() {
			key = value
		}
		ctx.Variables["each"] = cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
		if err := c.one(b, ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) one(b *hclsyntax.Block, ctx *hcl.EvalContext) error {
	body := dynblock.Expand(b.Body, ctx)
	if b.Labels[0] == "google_firestore_index" {
		var block indexBlock
		if diags := gohcl.DecodeBody(body, ctx, &block); diags.HasErrors() {
			return diags
		}
		x := &index{database: block.Database, collection: block.Collection, group: block.Scope == group}
		last := localquery.Direction(false)
		for _, f := range block.Fields {
			text, dir := fieldText(f.Field, f.Order, f.Array)
			x.fields, last = append(x.fields, text), dir
		}
		if !slices.ContainsFunc(x.fields, func(f string) bool { return strings.HasPrefix(f, nameField) }) {
			x.fields = append(x.fields, nameField+" "+last)
		}
		c.composite = append(c.composite, x)
		return nil
	}
	var block fieldBlock
	if diags := gohcl.DecodeBody(body, ctx, &block); diags.HasErrors() {
		return diags
	}
	if len(block.Config) == 0 {
		return nil // as by default
	}
	list := []*index{}
	for _, i := range block.Config[0].Indexes {
		text, _ := fieldText(block.Field, i.Order, i.Array)
		list = append(list, &index{database: block.Database, collection: block.Collection, group: i.Scope == group, fields: []string{text}})
	}
	c.fields[block.Database+"/"+block.Collection+"/"+block.Field] = list
	return nil
}

func fieldText(field string, order, array *string) (text, dir string) {
	switch {
	case array != nil:
		return field + "[]", localquery.Direction(false)
	case order != nil && *order == "DESCENDING":
		return field + " DESC", localquery.Direction(true)
	}
	return field + " ASC", localquery.Direction(false)
}
