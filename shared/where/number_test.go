package where_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/where"
)

// random is a source whose seed is printed; LETHE_SEED repeats one.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("LETHE_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("LETHE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// holds evaluates a condition with the values of its properties, in the order in which it
// names them.
func holds(t testing.TB, src string, values ...string) bool {
	t.Helper()
	e, err := where.Parse(src)
	if err != nil {
		t.Fatalf("parse %s: %v", src, err)
	}
	raw := make([]jsontext.Value, len(values))
	for i, v := range values {
		raw[i] = jsontext.Value(v)
	}
	return e.Match(raw)
}

// order is a big number that is one float with its neighbours.
const order = "1830000000000000003"

func TestNeighboursAreToldApart(t *testing.T) {
	t.Parallel()
	conditions := map[string]string{ // and those of the neighbours, from -2 to +2, for which each holds
		`properties["n"] == ` + order:                                "0",
		`properties["n"] != ` + order:                                "-2 -1 1 2",
		`properties["n"] < ` + order:                                 "-2 -1",
		`properties["n"] <= ` + order:                                "-2 -1 0",
		`properties["n"] > ` + order:                                 "1 2",
		`properties["n"] >= ` + order:                                "0 1 2",
		order + ` < properties["n"]`:                                 "1 2",
		`properties["n"] in [` + order + `]`:                         "0",
		`properties["n"] not in [1, ` + order + `]`:                  "-2 -1 1 2",
		`properties["n"] in [1, 2, 3, 4, 5, 6, 7, 8, ` + order + `]`: "0",
		`properties["n"] in [1,2,3,4,5,6,7,` + order + `.0,` + order + `e0,1830000000000000005]`: "0 2",
		`-properties["n"] == -` + order:                    "0",
		`-properties["n"] in [-` + order + `]`:             "0",
		`list(properties["n"]) == [` + order + `]`:         "0",
		`[` + order + `] == list(properties["n"])`:         "0",
		`properties["n"] + 0 == ` + order:                  "0",
		`properties["n"] - 1830000000000000000 == 3`:       "0",
		`properties["n"] * 1 == ` + order:                  "0",
		`properties["n"] % 10 == 3`:                        "0",
		`number(string(properties["n"])) == ` + order:      "0",
		`number(" +` + order + `.00 ") == properties["n"]`: "0",
		`string(properties["n"]) == "` + order + `"`:       "0",
		`floor(properties["n"]) == ` + order:               "0",
		`round(properties["n"]) == ` + order:               "0",
		`ceil(properties["n"]) == ` + order:                "0",
		`properties["n"] == 18300000000000000.03e2`:        "0",
		`properties["n"] == 1830000000000000003000e-3`:     "0",
		`properties["n"] == 1.830000000000000003e18`:       "0",
	}
	n, err := strconv.ParseInt(order, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range conditions {
		var got []string
		for d := int64(-2); d <= 2; d++ {
			if holds(t, src, strconv.FormatInt(n+d, 10)) {
				got = append(got, strconv.FormatInt(d, 10))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s holds for the neighbours %v, want %s", src, got, want)
		}
	}
	for src, want := range map[string]bool{
		`properties["a"] == properties["b"]`:                         false,
		`properties["a"] < properties["b"]`:                          true,
		`list(properties["a"]) == list(properties["b"])`:             false,
		`properties["a"] in list(properties["b"])`:                   false,
		`string(properties["a"]) == string(properties["b"])`:         false,
		`properties["a"] == properties["b"] - 1`:                     true,
		`properties["a"] == -properties["b"]`:                        false,
		`number(string(properties["a"])) != number(properties["b"])`: true,
	} {
		if got := holds(t, src, order, "1830000000000000004"); got != want {
			t.Errorf("%s: got %v, want %v", src, got, want)
		}
	}
	if holds(t, `properties["a"] == properties["b"]`, `{"id":`+order+`,"x":1}`, `{"x":1.0,"id":1830000000000000004}`) {
		t.Error("objects of neighbours are equal")
	}
	if !holds(t, `properties["a"] == properties["b"]`, `{"id":`+order+`,"x":[1,{"y":2}]}`, `{"x":[1.0, {"y":2e0}],"id":`+order+`.0}`) {
		t.Error("objects of equal numbers are not equal")
	}
}

// What is calculated is a 64-bit float, as in JavaScript, but for integers.
func TestCalculations(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]bool{
		`0.1 + 0.2 == 0.3`:                         false,
		`0.1 + 0.2 == 0.30000000000000004`:         true,
		`1.1 * 1 == 1.1`:                           true,
		`1 / 3 == 0.3333333333333333`:              true,
		`9007199254740991 + 2 == 9007199254740993`: true,
		`4611686018427387904 + 4611686018427387903 == 9223372036854775807`: true,
		`4611686018427387904 + 4611686018427387904 == 9223372036854776000`: true, // beyond 64 bits: a float, as it is printed
		`9223372036854775807 + 1 == 9223372036854775809`:                   false,
		`-9223372036854775808 - 1 == -9223372036854776000`:                 true,
		`3037000500 * 3037000499 == 9223372033963249500`:                   true,
		`-9223372036854775808 * -1 == 9223372036854776000`:                 true,
		`-1 * -9223372036854775808 == 9223372036854776000`:                 true,
		`9223372036854775807 % 1000 == 807`:                                true,
		`-9223372036854775807 % 1000 == -807`:                              true,
		`defined(9223372036854775807 % 0)`:                                 false,
		`defined(9223372036854775807 / 0)`:                                 false,
		`floor(2.5) == 2 and ceil(-2.5) == -2 and round(2.5) == 3`:         true,
		`floor(1.00000000000000000) == 1`:                                  true,
		`string(1e21) == "1000000000000000000000"`:                         true,
		`string(-0.0) == "0"`:                                              true,
		`string(1.50) == "1.5" and string(1e-7) == "0.0000001"`:            true,
		`1e-400 > 0 and -1e-400 < 0 and 1e-400 != 0 and -0.0 == 0`:         true,
		`1e-400`:                         true,
		`0.00000000000000000`:            false,
		`0e5 == 0 and 0e-999999999 == 0`: true,
		`0.1 == 0.1000000000000000055511151231257827`:                                                       false,
		`0.1 < 0.1000000000000000055511151231257827`:                                                        true,
		`number("0x1p63") == 9223372036854776000`:                                                           true,
		`defined(number("inf")) or defined(number("")) or defined(number("-")) or defined(number("1e400"))`: false,
	} {
		if got := holds(t, src); got != want {
			t.Errorf("%s: got %v, want %v", src, got, want)
		}
	}
}

// An exponent costs nothing, however large it is.
func TestHostileExponents(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	for src, want := range map[string]bool{
		`properties["a"] > properties["b"]`:                                    true,
		`properties["a"] == properties["b"]`:                                   false,
		`properties["a"] > 0 and properties["b"] > 0 and -properties["a"] < 0`: true,
		`properties["a"] == 100000000000000000.0e-1000000016`:                  true,
		`properties["a"] in [1,2,3,4,5,6,7,8,9,1e-999999998]`:                  false,
		`string(properties["a"]) == "1e-999999999"`:                            true,
		`properties["a"] + properties["b"] == 0`:                               true, // a float
		`number("1e-99999999999999999999999") > 0`:                             true,
		`defined(number("1e999999999"))`:                                       false,
		`list(properties["a"]) == [1e-999999999]`:                              true,
	} {
		names := `properties["a"] and properties["b"] and (` + src + `)`
		if got := holds(t, names, "1e-999999999", "1e-1999999999"); got != want {
			t.Errorf("%s: got %v, want %v", src, got, want)
		}
	}
	if _, err := where.Parse(`properties["a"] == 1e999999999`); err == nil {
		t.Error("a literal beyond a float is taken")
	}
	if holds(t, `properties["a"] == properties["a"]`, "1e999999999") {
		t.Error("a number beyond a float is defined")
	}
	long := strings.Repeat("9", 300)
	if !holds(t, `properties["a"] < properties["b"]`, long+strings.Repeat("0", 8)+"."+strings.Repeat("0", 900_000)+"1", long+strings.Repeat("0", 8)+"."+strings.Repeat("0", 800_000)+"1") {
		t.Error("long texts are not compared to the end")
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// numeral makes a JSON number; each is likely to have others that are the same float.
func numeral(r *rand.Rand) string {
	var digits string
	switch r.IntN(4) {
	case 0:
		digits = strconv.Itoa(r.IntN(5))
	case 1:
		digits = strconv.FormatUint(1<<53+r.Uint64N(8)-4, 10)
	case 2:
		digits = strconv.FormatUint(1830000000000000000+r.Uint64N(5), 10)
	default:
		digits = strconv.FormatFloat(math.Ldexp(float64(1<<52+r.Uint64N(4)), r.IntN(3)-52), 'f', -1, 64)
	}
	exponent := 0
	for range r.IntN(3) { // the same, or nearly, in another form
		whole, fraction, _ := strings.Cut(digits, ".")
		switch r.IntN(5) {
		case 0:
			fraction += strings.Repeat("0", 1+r.IntN(20))
		case 1:
			fraction += strings.Repeat("0", r.IntN(20)) + strconv.Itoa(1+r.IntN(2))
		case 2:
			whole += strings.Repeat("0", 1+r.IntN(20))
			if strings.Trim(fraction, "0") == "" && r.IntN(4) > 0 {
				exponent -= len(whole) - len(strings.Split(digits, ".")[0])
			}
		case 3:
			if n := len(whole) - 1; n > 0 {
				whole, fraction = whole[:1], whole[1:]+fraction
				exponent += n
			}
		case 4:
			exponent += r.IntN(3) - 1
		}
		if digits = strings.TrimLeft(whole, "0"); digits == "" {
			digits = "0"
		}
		if fraction != "" {
			digits += "." + fraction
		}
	}
	if r.IntN(16) == 0 {
		exponent -= 330 // less than a float can be
	}
	if exponent != 0 || r.IntN(8) == 0 {
		digits += []string{"e", "E"}[r.IntN(2)] + strconv.Itoa(exponent)
	}
	if r.IntN(4) == 0 {
		digits = "-" + digits
	}
	return digits
}

// TestNumbersAgainstRationals compares pairs of numbers that may be one float in every way
// that the language has, and in package math/big.
func TestNumbersAgainstRationals(t *testing.T) {
	t.Parallel()
	r := random(t)
	var sames, floats int
	for range 3000 {
		a, b := numeral(r), numeral(r)
		if r.IntN(3) == 0 { // as close as can be
			b = a[:len(a)-1] + strconv.Itoa(r.IntN(10))
		}
		checkNumbers(t, a, b)
		if rational(t, a).Cmp(rational(t, b)) == 0 {
			sames++
		} else if f, g := float(a), float(b); f == g {
			floats++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d equal pairs, %d of one float", sames, floats)
	if sames < 30 || floats < 100 {
		t.Errorf("only %d equal pairs and %d pairs of one float", sames, floats)
	}
}

func rational(t testing.TB, s string) *big.Rat {
	q, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%s is no number", s)
	}
	return q
}

func float(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// checkNumbers holds all comparisons of two numbers to that of rationals.
func checkNumbers(t testing.TB, a, b string) {
	t.Helper()
	c := rational(t, a).Cmp(rational(t, b))
	expect := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s and %s: %s is %v, want %v", a, b, what, got, want)
		}
	}
	const x, y = `properties["a"]`, `properties["b"]`
	for op, want := range map[string]bool{"==": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0} {
		expect("a "+op+" b", holds(t, x+op+y, a, b), want)
		expect("-b "+op+" -a", holds(t, "-"+y+op+"-"+x, b, a), want)
		expect("a "+op+" literal", holds(t, x+op+b, a), want)
		expect("literal "+op+" b", holds(t, a+op+y, b), want)
		expect("number of text "+op+" b", holds(t, "number("+x+")"+op+y, `"`+a+`"`, b), want)
	}
	same := c == 0
	expect("in a list", holds(t, x+" in ["+b+"]", a), same)
	expect("in a long list", holds(t, x+" in [null,true,[],'','a','b','c','d',"+b+"]", a), same)
	expect("in a property", holds(t, x+" in "+y, a, "[true,"+b+"]"), same)
	expect("lists", holds(t, x+"=="+y, "["+a+"]", "["+b+"]"), same)
	expect("objects", holds(t, x+"=="+y, `{"k":1,"v":`+a+`}`, `{"v":`+b+`,"k":1.0}`), same)
	expect("string()", holds(t, "string("+x+")==string("+y+")", a, b), same)
	expect("canonical", string(where.AppendCanonical(nil, jsontext.Value(a))) == string(where.AppendCanonical(nil, jsontext.Value(b))), same)
	for _, s := range []string{a, b} {
		canonical := string(where.AppendCanonical(nil, jsontext.Value(s)))
		if rational(t, canonical).Cmp(rational(t, s)) != 0 || !jsontext.Value(canonical).IsValid() || len(canonical) > len(s)+25 {
			t.Errorf("%s in canonical form is %s", s, canonical)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	f.Add(order, "1830000000000000004")
	f.Add("0.1", "0.1000000000000000055511151231257827")
	f.Add("-0", "0.0e-5")
	f.Add("1e-330", "1e-331")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, s := range []string{a, b} {
			v := jsontext.Value(s)
			if len(s) > 500 || !v.IsValid() || v.Kind() != '0' || strings.TrimSpace(s) != s || math.IsNaN(float(s)) {
				return
			}
			if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 { // math/big writes exponents out
				return
			}
		}
		checkNumbers(t, a, b)
	})
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`1`: `1`, `1.0`: `1`, `1e0`: `1`, `100e-2`: `1`, `0`: `0`, `-0`: `0`, `0.0`: `0`, `-1.50`: `-1.5`, `"1"`: `"1"`, `"1.0"`: `"1.0"`,
		`"\u0061\/"`: `"a/"`, `"a\"\n"`: `"a\"\n"`, `null`: `null`, `true`: `true`, `""`: `""`, `[]`: `[]`, `{}`: `{}`,
		`[1.0,"\u0061",null]`: `[1,"a",null]`, `{"b":1.0,"a":{"d":[2e0],"c":3}}`: `{"a":{"c":3,"d":[2]},"b":1}`, `{"\u0062":1,"a\"":2}`: `{"a\"":2,"b":1}`,
		`1830000000000000003`: `1830000000000000003`, `1.830000000000000003e18`: `1830000000000000003`,
		`123456789012345678901234567890`: `123456789012345678901234567890`, `1e20`: `100000000000000000000`, `1e21`: `1e21`, `12e20`: `1200000000000000000000`, `12.5e300`: `1.25e301`,
		`0.000001`: `0.000001`, `1e-21`: `0.000000000000000000001`, `1e-22`: `1e-22`, `15e-999999999`: `1.5e-999999998`, `0.1000000000000000055511151231257827`: `0.1000000000000000055511151231257827`,
	} {
		got := where.AppendCanonical([]byte("before"), jsontext.Value(raw))[len("before"):]
		if string(got) != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
		if again := where.AppendCanonical(nil, slices.Clone(got)); string(again) != want {
			t.Errorf("%s: canonical form %s becomes %s", raw, got, again)
		}
	}
}

func TestMostValuesAreCanonical(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{``, `"pro"`, `""`, `42`, `1830000000000000003`, `true`, `false`, `null`, `[]`, `{}`} {
		if !where.IsCanonical(jsontext.Value(raw)) {
			t.Errorf("%s: got false, want true", raw)
		}
	}
	for _, raw := range []string{`"\u0061"`, `1.0`, `-0`, `1e2`, `[1.0]`, `{"b":1,"a":2}`} {
		if where.IsCanonical(jsontext.Value(raw)) {
			t.Errorf("%s: got true, want false", raw)
		}
	}
}
