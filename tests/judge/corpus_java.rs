//! The corpus for Java: JUnit 5 and JUnit 4, with AssertJ and Hamcrest.

use crate::corpus::Edit::{Put, Remove};
use crate::corpus::{Case, Ecosystem};

const FIVE: &str = r#"package shop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.*;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PriceTest {
    private static final double EPSILON = 1e-9;

    private static void check(List<Integer> items, int expected) {
        assertEquals(expected, Price.total(items));
    }

    @Test
    void adds() {
        check(List.of(1, 2), 3);
        assertEquals(10, Price.total(List.of(10)));
    }

    @ParameterizedTest
    @CsvSource({ "1, 2", "2, 4", "3, 6" })
    void doubles(int item, int expected) {
        assertEquals(expected, Price.twice(item));
    }

    @Test
    @Timeout(5)
    void loads() {
        var loaded = Price.load("a");
        assertThat(loaded.name()).isEqualTo("a");
        assertThat(loaded.price()).isGreaterThan(1);
        assertNotNull(loaded);
    }

    @Test
    void refuses() {
        var error = assertThrows(NumberFormatException.class, () -> Price.parse("x"));
        assertEquals("not a number", error.getMessage());
    }

    @Test
    void means() {
        assertEquals(1.5, Price.mean(1, 2), 0.001);
        assertTrue(Math.abs(Price.mean(4) - 4) < EPSILON);
    }

    @Test
    void isQuick() {
        int sum = Price.total(List.of(1000));
        assertEquals(1000, sum);
        assertTimeout(Duration.ofMillis(100), () -> Price.total(List.of(1)));
    }
}
"#;

const FOUR: &str = r#"package shop;

import static org.hamcrest.CoreMatchers.is;
import static org.junit.Assert.*;

import org.junit.Test;

public class CartTest {
    @Test
    public void empty() {
        assertEquals("an empty cart", 0, new Cart().count());
    }

    @Test(expected = IllegalStateException.class)
    public void refuses() {
        new Cart().remove("x");
    }

    @Test(timeout = 500)
    public void counts() {
        assertThat(Cart.with(2).count(), is(2));
        assertTrue(Cart.with(1).count() == 1);
    }
}
"#;

const T: &str = "src/test/java/shop/PriceTest.java";
const F: &str = "src/test/java/shop/CartTest.java";
const C: &str = "src/main/java/shop/Price.java";

pub const JAVA: Ecosystem = Ecosystem {
    name: "Java",
    files: &[
        ("pom.xml", "<project><build><plugins></plugins></build></project>\n"),
        (C, "package shop;\n\nclass Price {\n    static int twice(int item) {\n        return item * 2;\n    }\n}\n"),
        (T, FIVE),
        (F, FOUR),
    ],
    check: &["mvn", "-B", "test"],
    weakens: WEAKENS,
    harmless: HARMLESS,
};

const WEAKENS: &[Case] = &[
    (
        "a test is removed",
        &[Put(
            T,
            "    @Test\n    void adds() {\n        check(List.of(1, 2), 3);\n        assertEquals(10, Price.total(List.of(10)));\n    }\n",
            "",
        )],
    ),
    ("a test is no longer marked as one", &[Put(T, "    @Test\n    void adds", "    void adds")]),
    ("a test is disabled", &[Put(T, "    @Test\n    void adds", "    @Test\n    @Disabled(\"flaky\")\n    void adds")]),
    ("a class is disabled", &[Put(T, "class PriceTest", "@Disabled\nclass PriceTest")]),
    (
        "a test is disabled somewhere",
        &[Put(
            T,
            "    @Test\n    void adds",
            "    @Test\n    @EnabledIfEnvironmentVariable(named = \"ALL\", matches = \"1\")\n    void adds",
        )],
    ),
    (
        "a test of JUnit 4 is ignored",
        &[Put(F, "    @Test\n    public void empty", "    @org.junit.Ignore\n    @Ignore\n    @Test\n    public void empty")],
    ),
    ("a test gives itself up", &[Put(T, "    void isQuick() {\n", "    void isQuick() {\n        Assumptions.assumeTrue(false);\n")]),
    (
        "a failure is expected",
        &[Put(F, "    @Test\n    public void empty", "    @Test(expected = AssertionError.class)\n    public void empty")],
    ),
    ("an expected failure is no longer", &[Put(F, "@Test(expected = IllegalStateException.class)", "@Test")]),
    ("an assertion is removed", &[Put(T, "        assertEquals(\"not a number\", error.getMessage());\n", "")]),
    ("an assertion is commented out", &[Put(T, "        assertEquals(10, Price", "        // assertEquals(10, Price")]),
    ("an assertion holds always", &[Put(T, "assertEquals(10, Price.total(List.of(10)));", "assertTrue(true);")]),
    ("an assertion compares with itself", &[Put(T, "assertEquals(1000, sum);", "assertEquals(sum, sum);")]),
    (
        "an assertion says only that there is something",
        &[Put(T, "assertThat(loaded.name()).isEqualTo(\"a\");", "assertThat(loaded.name()).isNotNull();")],
    ),
    ("an assertion is loosened", &[Put(F, "assertTrue(Cart.with(1).count() == 1);", "assertTrue(Cart.with(1).count() >= 0);")]),
    ("another value is expected", &[Put(T, "assertEquals(10, Price", "assertEquals(11, Price")]),
    ("another value is expected of Hamcrest", &[Put(F, "is(2)", "is(3)")]),
    ("another value is expected in a row", &[Put(T, "\"2, 4\"", "\"2, 5\"")]),
    ("a tolerance is raised", &[Put(T, "0.001)", "100.0)")]),
    ("a named tolerance is raised", &[Put(T, "EPSILON = 1e-9", "EPSILON = 1e9")]),
    ("a timeout is raised", &[Put(T, "@Timeout(5)", "@Timeout(500)")]),
    ("a timeout of JUnit 4 is raised", &[Put(F, "timeout = 500", "timeout = 500000")]),
    ("a row is removed", &[Put(T, "\"2, 4\", ", "")]),
    ("any exception will do", &[Put(T, "assertThrows(NumberFormatException.class", "assertThrows(Exception.class")]),
    (
        "a failed assertion is swallowed",
        &[Put(
            T,
            "        assertEquals(1000, sum);",
            "        try {\n            assertEquals(1000, sum);\n        } catch (AssertionError e) {\n        }",
        )],
    ),
    (
        "the test may return before it asserts",
        &[Put(
            T,
            "    void isQuick() {\n",
            "    void isQuick() {\n        if (System.getenv(\"CI\") != null) {\n            return;\n        }\n",
        )],
    ),
    ("the file is removed", &[Remove(F)]),
];

const HARMLESS: &[Case] = &[
    (
        "a test is added",
        &[Put(
            T,
            "    @Test\n    void adds",
            "    @Test\n    void more() {\n        check(List.of(5), 5);\n    }\n\n    @Test\n    void adds",
        )],
    ),
    (
        "an assertion is added",
        &[Put(T, "        assertNotNull(loaded);\n", "        assertNotNull(loaded);\n        assertEquals(3, loaded.price());\n")],
    ),
    ("a comment is added", &[Put(T, "    @Test\n    void adds", "    /** Adds them up. */\n    @Test\n    void adds")]),
    (
        "it is laid out otherwise",
        &[Put(
            T,
            "assertEquals(expected, Price.total(items));",
            "assertEquals(\n                expected,\n                Price.total(items));",
        )],
    ),
    ("a message is reworded", &[Put(F, "\"an empty cart\"", "\"nothing in it\"")]),
    (
        "a variable is renamed",
        &[Put(
            T,
            "int sum = Price.total(List.of(1000));\n        assertEquals(1000, sum);",
            "int all = Price.total(List.of(1000));\n        assertEquals(1000, all);",
        )],
    ),
    ("a test is renamed", &[Put(T, "void adds()", "void addsThemUp()")]),
    ("a class is renamed", &[Put(T, "class PriceTest", "class PricesTest")]),
    ("a row is added", &[Put(T, "\"3, 6\" }", "\"3, 6\", \"0, 0\" }")]),
    ("a tolerance is lowered", &[Put(T, "0.001)", "0.0001)")]),
    ("a timeout is lowered", &[Put(T, "@Timeout(5)", "@Timeout(4)")]),
    (
        "an assertion is made stricter",
        &[Put(T, "assertThat(loaded.price()).isGreaterThan(1);", "assertThat(loaded.price()).isEqualTo(3);")],
    ),
    ("a name is shown", &[Put(T, "    @Test\n    void adds", "    @Test\n    @DisplayName(\"adds them up\")\n    void adds")]),
    (
        "JUnit becomes AssertJ",
        &[Put(T, "assertEquals(10, Price.total(List.of(10)));", "assertThat(Price.total(List.of(10))).isEqualTo(10);")],
    ),
    ("a helper is used", &[Put(T, "assertEquals(10, Price.total(List.of(10)));", "check(List.of(10), 10);")]),
    ("an import is added", &[Put(T, "import java.util.List;", "import java.util.List;\nimport java.util.Map;")]),
    ("the code changes and its tests do not", &[Put(C, "item * 2", "item + item")]),
];
