//! The corpus for Go: plain tests, a table, and testify.

use crate::corpus::Edit::{Add, Put, Remove, Rename};
use crate::corpus::{Case, Ecosystem};

const TESTS: &str = r#"package shop

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const epsilon = 1e-9

func checkTotal(t *testing.T, items []int, want int) {
	t.Helper()
	if got := Total(items); got != want {
		t.Errorf("Total(%v) = %d, want %d", items, got, want)
	}
}

func TestTotal(t *testing.T) {
	checkTotal(t, []int{1, 2}, 3)
	checkTotal(t, []int{10}, 10)
}

func TestPlain(t *testing.T) {
	got := Total([]int{4})
	if got != 4 {
		t.Fatalf("got %d", got)
	}
	if !reflect.DeepEqual(Sorted([]int{2, 1}), []int{1, 2}) {
		t.Error("not sorted")
	}
}

func TestTable(t *testing.T) {
	tests := []struct {
		name  string
		items []int
		want  int
	}{
		{"ones", []int{1, 1}, 2},
		{"twos", []int{2, 2}, 4},
		{"three", []int{3}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Total(tt.items); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestMean(t *testing.T) {
	if diff := math.Abs(Mean([]float64{1, 2}) - 1.5); diff > epsilon {
		t.Errorf("off by %v", diff)
	}
	assert.InDelta(t, 1.5, Mean([]float64{1, 2}), 0.001)
}

func TestParse(t *testing.T) {
	_, err := Parse("x")
	require.Error(t, err)
	assert.EqualError(t, err, "not a number")
	n, err := Parse("3")
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}

func TestQuick(t *testing.T) {
	timeout := 2 * time.Second
	began := time.Now()
	sum := Total(make([]int, 1000))
	if sum != 0 {
		t.Fatal("zeros add up to something")
	}
	if time.Since(began) > timeout {
		t.Fatal("slow")
	}
}
"#;

const T: &str = "shop_test.go";

pub const GO: Ecosystem = Ecosystem {
    name: "Go",
    files: &[
        ("go.mod", "module shop\n\ngo 1.22\n"),
        ("shop.go", "package shop\n\nfunc Total(items []int) int {\n\treturn 0\n}\n"),
        (T, TESTS),
    ],
    check: &["go", "test", "./..."],
    weakens: WEAKENS,
    harmless: HARMLESS,
};

const WEAKENS: &[Case] = &[
    (
        "a test is removed",
        &[Put(T, "func TestTotal(t *testing.T) {\n\tcheckTotal(t, []int{1, 2}, 3)\n\tcheckTotal(t, []int{10}, 10)\n}\n", "")],
    ),
    ("a test is renamed so that it is not found", &[Put(T, "func TestPlain", "func testPlain")]),
    ("a file is renamed so that it is not found", &[Rename(T, "shop_checks.go")]),
    ("a test is skipped", &[Put(T, "func TestPlain(t *testing.T) {\n", "func TestPlain(t *testing.T) {\n\tt.Skip(\"flaky\")\n")]),
    (
        "a test is skipped in short runs",
        &[Put(T, "func TestPlain(t *testing.T) {\n", "func TestPlain(t *testing.T) {\n\tif testing.Short() {\n\t\tt.Skip()\n\t}\n")],
    ),
    ("a file is built under a condition", &[Put(T, "package shop\n", "//go:build slow\n\npackage shop\n")]),
    ("a failure is only logged", &[Put(T, "t.Fatalf(\"got %d\", got)", "t.Logf(\"got %d\", got)")]),
    (
        "the helper only logs",
        &[Put(T, "t.Errorf(\"Total(%v) = %d, want %d\", items, got, want)", "t.Logf(\"Total(%v) = %d, want %d\", items, got, want)")],
    ),
    ("an assertion is removed", &[Put(T, "\tassert.Equal(t, 3, n)\n", "\t_ = n\n")]),
    (
        "an assertion is commented out",
        &[Put(T, "\tassert.EqualError(t, err, \"not a number\")", "\t// assert.EqualError(t, err, \"not a number\")")],
    ),
    ("an assertion holds always", &[Put(T, "assert.Equal(t, 3, n)", "assert.True(t, true)")]),
    ("an assertion compares with itself", &[Put(T, "assert.Equal(t, 3, n)", "assert.Equal(t, n, n)")]),
    ("an assertion says only that there is something", &[Put(T, "assert.Equal(t, 3, n)", "assert.NotNil(t, n)")]),
    ("a condition never holds", &[Put(T, "if got != 4 {", "if false && got != 4 {")]),
    ("a condition is loosened", &[Put(T, "if got != 4 {", "if got < 0 {")]),
    ("another value is expected", &[Put(T, "if got != 4 {", "if got != 5 {")]),
    ("another value is expected of testify", &[Put(T, "assert.Equal(t, 3, n)", "assert.Equal(t, 4, n)")]),
    ("another value is expected in a table", &[Put(T, "{\"twos\", []int{2, 2}, 4}", "{\"twos\", []int{2, 2}, 5}")]),
    ("a tolerance is raised", &[Put(T, "0.001)", "0.9)")]),
    ("a named tolerance is raised", &[Put(T, "epsilon = 1e-9", "epsilon = 1e3")]),
    ("a timeout is raised", &[Put(T, "2 * time.Second", "200 * time.Second")]),
    ("a case is removed", &[Put(T, "\t\t{\"twos\", []int{2, 2}, 4},\n", "")]),
    ("the test returns at once", &[Put(T, "func TestParse(t *testing.T) {\n", "func TestParse(t *testing.T) {\n\treturn\n")]),
    (
        "the test may return before it asserts",
        &[Put(
            T,
            "func TestParse(t *testing.T) {\n",
            "func TestParse(t *testing.T) {\n\tif runtime.GOOS == \"linux\" {\n\t\treturn\n\t}\n",
        )],
    ),
    ("the file is removed", &[Remove(T)]),
];

const HARMLESS: &[Case] = &[
    ("a test is added", &[Put(T, "func TestPlain", "func TestMore(t *testing.T) {\n\tcheckTotal(t, []int{5}, 5)\n}\n\nfunc TestPlain")]),
    ("an assertion is added", &[Put(T, "\tassert.Equal(t, 3, n)\n", "\tassert.Equal(t, 3, n)\n\tassert.NotZero(t, n)\n")]),
    ("a comment is added", &[Put(T, "func TestPlain", "// TestPlain looks at one.\nfunc TestPlain")]),
    ("it is laid out otherwise", &[Put(T, "checkTotal(t, []int{1, 2}, 3)", "checkTotal(\n\t\tt,\n\t\t[]int{1, 2},\n\t\t3,\n\t)")]),
    ("a message is reworded", &[Put(T, "\"got %d\", got", "\"the total is %d\", got")]),
    (
        "a variable is renamed",
        &[Put(T, "sum := Total(make([]int, 1000))\n\tif sum != 0 {", "all := Total(make([]int, 1000))\n\tif all != 0 {")],
    ),
    ("a test is renamed", &[Put(T, "func TestQuick", "func TestItIsQuick")]),
    ("a case is added", &[Put(T, "\t\t{\"three\", []int{3}, 3},\n", "\t\t{\"three\", []int{3}, 3},\n\t\t{\"none\", nil, 0},\n")]),
    ("a tolerance is lowered", &[Put(T, "0.001)", "0.0001)")]),
    ("a timeout is lowered", &[Put(T, "2 * time.Second", "1 * time.Second")]),
    ("a failure ends the test", &[Put(T, "t.Error(\"not sorted\")", "t.Fatal(\"not sorted\")")]),
    (
        "a helper is pulled out",
        &[Put(T, "\tgot := Total([]int{4})\n\tif got != 4 {\n\t\tt.Fatalf(\"got %d\", got)\n\t}\n", "\tcheckTotal(t, []int{4}, 4)\n")],
    ),
    ("plain becomes testify", &[Put(T, "\tif got != 4 {\n\t\tt.Fatalf(\"got %d\", got)\n\t}\n", "\trequire.Equal(t, 4, got)\n")]),
    ("tests run in parallel", &[Put(T, "func TestPlain(t *testing.T) {\n", "func TestPlain(t *testing.T) {\n\tt.Parallel()\n")]),
    (
        "the code changes and its tests do not",
        &[Put("shop.go", "return 0", "sum := 0\n\tfor _, item := range items {\n\t\tsum += item\n\t}\n\treturn sum")],
    ),
    ("a new file of tests", &[Add("more_test.go", "package shop\n\nimport \"testing\"\n\nfunc TestNew(t *testing.T) {}\n")]),
];
