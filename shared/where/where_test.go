package where_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/where"
)

const sample = `{"s":"pro","e":"","n":7,"neg":-2.5,"z":0,"t":true,"f":false,"nil":null,"num":" 42 ","sf":"false",` +
	`"l":["a",1,null,["x"]],"l0":[],"o":{"a":1,"b":[2]},"o2":{"b":[2],"a":1},"q":"it's \"so\" \\ \u00e9😀","od\"d":1,"big":1e300}`

// p abbreviates properties["x"] as .x in the tables below.
func p(src string) string {
	for _, name := range []string{"none", "num", "neg", "nil", "big", "sf", "l0", "o2", "s", "e", "n", "z", "t", "f", "l", "o", "q"} {
		src = strings.ReplaceAll(src, "."+name+"!", `properties["`+name+`"]`)
	}
	return src
}

func match(t *testing.T, e *where.Expr) bool {
	t.Helper()
	values, err := event.NewLookup(e.Names()...).In(&event.Event{DistinctID: "ann", InsertID: "i", Time: 1500, Properties: sample})
	if err != nil {
		t.Fatal(err)
	}
	return e.Match(values)
}

func TestMatch(t *testing.T) {
	t.Parallel()
	holds := []string{
		// comparison
		`.s! == "pro"`, `.s! == 'pro'`, `"pro" == .s!`, `.n! == 7`, `.n! == 7.0`, `.n! == 70e-1`, `.t! == true`, `.nil! == null`,
		`.n! != 8`, `.n! < 7.5`, `.n! <= 7`, `.n! > 6`, `.n! >= 7`, `.neg! == -2.5`, `.neg! < -2`, `.s! < "prp"`, `.s! > "Pro"`,
		`.o! == .o2!`, `.l! == .l!`, `.l! == ["a", 1, null, ["x"]]`, `.l0! == []`, `properties['s'] == "pro"`,
		// unlike types, missing properties
		`.n! != "7"`, `.t! != 1`, `.nil! != 0`, `.nil! != false`, `.none! != "x"`, `.none! != null`, `.none! != .none!`,
		`not .none! == .none!`, `not .s! < 5`, `not .s! >= 5`, `not .none! < 5`, `not .t! < 5`, `not .nil! <= null`,
		// in
		`"r" in .s!`, `"" in .s!`, `.s! in "the product"`, `.n! in [1, 7]`, `.s! in ["x", "pro"]`, `1 in .l!`, `"a" in .l!`,
		`null in .l!`, `["x"] in .l!`, `.neg! in [-2.5]`, `.n! not in [1, 2]`, `"z" not in .s!`, `not "z" in .s!`,
		`.none! not in ["x"]`, `"x" not in .none!`, `7 not in .s!`, `1 not in .n!`, `"a" not in .o!`, `.nil! in [null]`,
		`.n! in [1,2,3,4,5,6,7,8,9]`, `.s! in ["a","b","c","d","e","f","g","pro"]`, `.t! in [1,2,3,4,5,6,7,8,true]`, `"7" not in [1,2,3,4,5,6,7,8,9]`,
		// logic
		`.t! and .n! == 7`, `.f! or .n! == 7`, `not .f!`, `not (.t! and .f!)`, `.t! or .f! and .f!`, `not .f! and .t!`, `not not .t!`,
		`not .n! == 8`, `(.t! or .f!) == true`, `not .sf!`, `not .e!`, `not .z!`, `not .nil!`, `not .none!`, `.l0!`, `.o!`, `.neg!`, `"x"`, `1`,
		`.t! == (not .f!)`,
		// functions
		`defined(.s!)`, `defined(.nil!)`, `not defined(.none!)`, `defined (.s!) and not defined(.none!)`,
		`number(.num!) == 42`, `number(.t!) == 1`, `not defined(number(.s!))`, `not defined(number(.l!))`, `string(.n!) == "7"`,
		`string(.neg!) == "-2.5"`, `string(.t!) == "true"`, `string(.l0!) == "[]"`, `not defined(string(.none!))`, `string(.nil!) == null`,
		`boolean(.s!) == true`, `boolean(.sf!) == false`, `boolean(.none!) == false`, `"pro" in list(.s!)`, `list(.l!) == .l!`,
		`not defined(list(.none!))`, `floor(.neg!) == -3`, `ceil(.neg!) == -2`, `round(1.5) == 2`, `not defined(floor(.s!))`,
		// arithmetic
		`.n! + 1 == 8`, `.n! - 10 == -3`, `.n! * 2 + 1 == 15`, `1 + .n! * 2 == 15`, `(1 + .n!) * 2 == 16`, `.n! / 2 == 3.5`, `.n! % 4 == 3`,
		`-.n! == -7`, `- -.n! == 7`, `10 - 2 - 3 == 5`, `not defined(.n! / 0)`, `not defined(.n! % 0)`, `not defined(.n! + .s!)`,
		`not defined(-.s!)`, `.s! + "x" == "prox"`, `not defined(.big! * .big!)`, `2 - 1 in [1]`,
		// strings, names
		`.q! == "it's \"so\" \\ é😀"`, `.q! == 'it\'s "so" \\ \u00e9\ud83d\ude00'`, `"\/" == '/'`, `properties["od\"d"] == 1`, `properties['od"d'] == 1`,
		"\n\t.s! ==\r\n'pro'", `properties [ "s" ]=='pro'`, `properties["distinct_id"] == "ann"`, `properties["time"] < 2`, `properties["$insert_id"] == "i"`,
	}
	for _, src := range holds {
		for _, not := range []bool{false, true} {
			text := p(src)
			if not {
				text = "not (" + text + ")"
			}
			e, err := where.Parse(text)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if match(t, e) == not {
				t.Errorf("%s must be %v (read as %s)", text, !not, e)
			}
			again, err := where.Parse(e.String())
			if err != nil || again.String() != e.String() || match(t, again) != match(t, e) {
				t.Errorf("%s in normal form: %s: %v", text, e, err)
			}
		}
	}
}

// What an expression joins is bounded, however large the event is.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	large := event.Event{Properties: `{"x":["` + strings.Repeat("x", 600_000) + `"]}`}
	for src, want := range map[string]bool{
		`defined(string(properties["x"]) + "y")`:                                  true,
		`defined(string(properties["x"]) + string(properties["x"]))`:              false,
		`defined("y" + (string(properties["x"]) + string(properties["x"]) + ""))`: false,
	} {
		e, err := where.Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		values, err := event.NewLookup(e.Names()...).In(&large)
		if err != nil {
			t.Fatal(err)
		}
		if e.Match(values) != want {
			t.Errorf("%s must be %v", src, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	e, err := where.Parse(`properties["b"] == 1 and (properties["a"] in properties["b"] or defined(properties["c d"]))`)
	if err != nil || fmt.Sprint(e.Names()) != "[b a c d]" {
		t.Error(e.Names(), err)
	}
	if e, err := where.Parse(`1 == 1`); err != nil || len(e.Names()) != 0 || !e.Match(nil) {
		t.Error(e, err)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`((properties['a']))`:                   `properties["a"]`,
		`(1+2)*3==-(4)and not(true or false)`:   `(1 + 2) * 3 == -4 and not (true or false)`,
		`1-(2-3)-4 == 0`:                        `1 - (2 - 3) - 4 == 0`,
		`(1 == 2) == (not (3 not in [-1,'x']))`: `(1 == 2) == (not 3 not in [-1, "x"])`,
		`true or (false or true)`:               `true or (false or true)`,
		`number( 'a' ) > 1e3`:                   `number("a") > 1000`,
	} {
		e, err := where.Parse(src)
		if err != nil || e.String() != want {
			t.Errorf("%s: %v, %v; want %s", src, e, err, want)
		}
	}
}

func TestErrorsPointAtTheColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src    string
		column int
		detail string
	}{
		{``, 1, "empty"},
		{`  `, 3, "empty"},
		{`properties["a"] = 1`, 17, "write =="},
		{`properties["a"] == 1 && true`, 22, "write and"},
		{`true || false`, 6, "write or"},
		{`!true`, 1, "write not"},
		{`1 <> 2`, 3, "write !="},
		{`true AND false`, 6, "AND is written and"},
		{`True`, 1, "True is written true"},
		{`properties["a"] ==`, 19, "found the end"},
		{`properties["é😀"] == `, 21, "found the end"},
		{`properties["a`, 12, "does not end"},
		{`'a\`, 1, "does not end"},
		{`"a\x"`, 3, "unknown escape"},
		{`"\ud800"`, 2, "four hexadecimal digits"},
		{`"\u12"`, 2, "four hexadecimal digits"},
		{`properties(a)`, 11, `"["`},
		{`properties[a]`, 12, "name in quotes"},
		{`properties["a")`, 15, `"]"`},
		{`(true`, 6, `")"`},
		{`true)`, 5, "an operator or the end"},
		{`defined true`, 9, `"(" after defined`},
		{`[1, 2`, 6, `","`},
		{`[1 2]`, 4, `","`},
		{`[properties["a"]]`, 2, "a literal"},
		{`[-"a"]`, 3, "a number after -"},
		{`[1,]`, 4, "a literal"},
		{`user["a"] == 1`, 1, "not supported"},
		{`properties["a"] == undefined`, 20, "not defined"},
		{`datetime("x")`, 1, "not supported"},
		{`foo == 1`, 1, `found "foo"`},
		{`1 < 2 < 3`, 7, "do not chain"},
		{`1 == not true`, 6, "in parentheses"},
		{`1e999`, 1, "64-bit"},
		{`1x`, 1, "not a number"},
		{`.`, 1, "not a number"},
		{`1 # 2`, 3, "unexpected character"},
		{"\"\xff\"", 2, "UTF-8"},
		{`properties["a"] in`, 19, "the end"},
		{`"a" "b"`, 5, "found a string"},
		{`"a" not "b"`, 5, "an operator or the end"},
		{strings.Repeat("(", 60) + "1", 51, "deeper"},
		{strings.Repeat("not ", 60) + "1", 201, "deeper"},
		{strings.Repeat("-", 60) + "1", 51, "deeper"},
		{strings.Repeat("[", 60), 50, "deeper"},
		{"1" + strings.Repeat("+1", 600), 1001, "more than"},
		{strings.Repeat("x", where.MaxLength+1), 1, "4096 bytes"},
	} {
		_, err := where.Parse(c.src)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != "where" {
			t.Errorf("%.50q: %v", c.src, err)
			continue
		}
		if f.Fields[0].Column != c.column || !strings.Contains(f.Fields[0].Detail, c.detail) || !strings.Contains(f.Detail, c.detail) {
			t.Errorf("%.50q: column %d, %s; want column %d, %s", c.src, f.Fields[0].Column, f.Fields[0].Detail, c.column, c.detail)
		}
	}
}

// FuzzParse holds the parser to never panic, and the normal form to mean the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`properties["s"] == "pro" and not (1 < properties["n"] or 'x' not in ["a", -1, null])`,
		`number(string(properties["num"])) + -2 * 3 % 4 >= round(.5)`, `((((`, `"\ud83d\ude00\u0000"`, `not not -1`, `1 == (2 == 3)`, "\"\x00\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		e, err := where.Parse(src)
		if err != nil {
			var fe *fault.Error
			if !errors.As(err, &fe) || fe.Fields[0].Column < 1 || fe.Fields[0].Column > len(src)+1 {
				t.Fatalf("%q: %v", src, err)
			}
			return
		}
		normal := e.String()
		if len(normal) > where.MaxLength { // the normal form may be longer
			return
		}
		again, err := where.Parse(normal)
		if err != nil {
			t.Fatalf("%q in normal form %q: %v", src, normal, err)
		}
		if again.String() != normal || fmt.Sprint(again.Names()) != fmt.Sprint(e.Names()) || match(t, again) != match(t, e) {
			t.Fatalf("%q: %q, again %q", src, normal, again.String())
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	e, err := where.Parse(`properties["s"] in ["free", "pro"] and properties["n"] >= 5 and not defined(properties["none"])`)
	if err != nil {
		b.Fatal(err)
	}
	values, err := event.NewLookup(e.Names()...).In(&event.Event{Properties: sample})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !e.Match(values) {
			b.Fatal("must match")
		}
	}
}
