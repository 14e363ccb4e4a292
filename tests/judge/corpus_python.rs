//! The corpus for Python: pytest functions, a class of unittest, and settings of pytest.

use crate::corpus::Edit::{Add, Put, Remove, Rename};
use crate::corpus::{Case, Ecosystem};

const TESTS: &str = r#"import time
import pytest
from shop import mean, parse, total

TOLERANCE = 1e-9


def check_total(items, expected):
    assert total(items) == expected, f"the total of {items}"


def test_totals():
    check_total([1, 2], 3)
    check_total([10], 10)


def test_mean():
    assert mean([1, 2]) == pytest.approx(1.5, rel=1e-6)
    assert abs(mean([4]) - 4) < TOLERANCE


@pytest.mark.parametrize("items,expected", [([1, 1], 2), ([2, 2], 4), ([3], 3)])
def test_table(items, expected):
    assert total(items) == expected


def test_parse_refuses():
    with pytest.raises(ValueError, match="not a number"):
        parse("x")


@pytest.mark.timeout(5)
def test_quick():
    began = time.monotonic()
    result = total([1] * 1000)
    assert result == 1000
    assert time.monotonic() - began < 0.5


class TestShop:
    def test_empty(self):
        assert total([]) == 0

    def test_one(self):
        result = total([1])
        assert result == 1
        assert isinstance(result, int)
"#;

const UNIT: &str = r#"import unittest
from shop import mean, parse, total


class ShopTest(unittest.TestCase):
    def setUp(self):
        self.items = [1, 2, 3]

    def test_total(self):
        self.assertEqual(total(self.items), 6)

    def test_mean(self):
        self.assertAlmostEqual(mean(self.items), 2.0, places=7)

    def test_refuses(self):
        with self.assertRaises(ValueError):
            parse("x")

    def test_parts(self):
        self.assertIn(3, self.items)
        self.assertListEqual(sorted(self.items), [1, 2, 3])


if __name__ == "__main__":
    unittest.main()
"#;

const PROJECT: &str =
    "[project]\nname = \"shop\"\nversion = \"0.1\"\n\n[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\naddopts = \"-q\"\n";

const T: &str = "tests/test_shop.py";
const U: &str = "tests/test_unit.py";

pub const PYTHON: Ecosystem = Ecosystem {
    name: "Python",
    files: &[
        ("pyproject.toml", PROJECT),
        ("shop.py", "def total(items):\n    return sum(items)\n"),
        (T, TESTS),
        (U, UNIT),
        ("tests/conftest.py", "import pytest\n\n\n@pytest.fixture\ndef items():\n    return [1]\n"),
    ],
    check: &["python", "-m", "pytest"],
    weakens: WEAKENS,
    harmless: HARMLESS,
};

const WEAKENS: &[Case] = &[
    ("a test is removed", &[Put(T, "def test_totals():\n    check_total([1, 2], 3)\n    check_total([10], 10)\n", "")]),
    ("a test is renamed so that it is not found", &[Put(T, "def test_mean", "def _test_mean")]),
    ("a method is renamed so that it is not found", &[Put(U, "def test_parts", "def parts")]),
    ("a class is renamed so that it is not found", &[Put(T, "class TestShop", "class ShopChecks")]),
    ("a file is renamed so that it is not found", &[Rename(T, "tests/shop_cases.py")]),
    ("a test is skipped", &[Put(T, "def test_mean", "@pytest.mark.skip(reason=\"flaky\")\ndef test_mean")]),
    ("a test is skipped under a condition", &[Put(T, "def test_mean", "@pytest.mark.skipif(True, reason=\"ci\")\ndef test_mean")]),
    ("a test skips itself", &[Put(T, "def test_mean():\n", "def test_mean():\n    pytest.skip(\"later\")\n")]),
    ("a method of unittest is skipped", &[Put(U, "    def test_parts", "    @unittest.skip(\"later\")\n    def test_parts")]),
    (
        "a method of unittest skips itself",
        &[Put(U, "        self.assertIn(3", "        self.skipTest(\"later\")\n        self.assertIn(3")],
    ),
    ("a whole file is skipped", &[Put(T, "TOLERANCE =", "pytestmark = pytest.mark.skip\nTOLERANCE =")]),
    ("a failure is expected", &[Put(T, "def test_mean", "@pytest.mark.xfail\ndef test_mean")]),
    ("a failure of unittest is expected", &[Put(U, "    def test_parts", "    @unittest.expectedFailure\n    def test_parts")]),
    ("an assertion is removed", &[Put(T, "        assert result == 1\n", "")]),
    ("an assertion is commented out", &[Put(U, "        self.assertIn(3, self.items)", "        # self.assertIn(3, self.items)")]),
    ("an assertion holds always", &[Put(T, "        assert result == 1\n", "        assert True\n")]),
    ("an assertion holds always, with or", &[Put(T, "    assert result == 1000", "    assert result == 1000 or True")]),
    ("an assertion says only that there is something", &[Put(T, "    assert result == 1000", "    assert result")]),
    (
        "an assertion of unittest is loosened",
        &[Put(U, "self.assertEqual(total(self.items), 6)", "self.assertIsNotNone(total(self.items))")],
    ),
    ("another value is expected", &[Put(U, "self.assertEqual(total(self.items), 6)", "self.assertEqual(total(self.items), 7)")]),
    ("a tolerance is raised", &[Put(T, "rel=1e-6", "rel=0.5")]),
    ("a named tolerance is raised", &[Put(T, "TOLERANCE = 1e-9", "TOLERANCE = 1.0")]),
    ("fewer places are compared", &[Put(U, "places=7", "places=0")]),
    ("a timeout is raised", &[Put(T, "timeout(5)", "timeout(500)")]),
    ("a case is removed", &[Put(T, "([2, 2], 4), ", "")]),
    ("any exception will do", &[Put(T, "pytest.raises(ValueError, match=\"not a number\")", "pytest.raises(Exception)")]),
    (
        "a failed assertion is swallowed",
        &[Put(
            T,
            "    result = total([1] * 1000)\n    assert result == 1000\n",
            "    result = total([1] * 1000)\n    try:\n        assert result == 1000\n    except AssertionError:\n        pass\n",
        )],
    ),
    ("the test returns at once", &[Put(U, "        self.assertIn(3", "        return\n        self.assertIn(3")]),
    ("the file is removed", &[Remove(U)]),
];

const HARMLESS: &[Case] = &[
    ("a test is added", &[Put(T, "def test_mean", "def test_more():\n    assert total([5]) == 5\n\n\ndef test_mean")]),
    (
        "a method is added",
        &[Put(U, "    def test_parts", "    def test_more(self):\n        self.assertEqual(total([5]), 5)\n\n    def test_parts")],
    ),
    ("an assertion is added", &[Put(T, "        assert result == 1\n", "        assert result == 1\n        assert result > 0\n")]),
    ("a comment is added", &[Put(T, "def test_mean", "# Means are close.\ndef test_mean")]),
    ("quotes are of the other kind", &[Put(T, "parse(\"x\")", "parse('x')")]),
    ("it is laid out otherwise", &[Put(T, "    check_total([1, 2], 3)", "    check_total(\n        [1, 2],\n        3,\n    )")]),
    ("a message is reworded", &[Put(T, "f\"the total of {items}\"", "f\"{items} add up\"")]),
    (
        "a variable is renamed",
        &[Put(
            T,
            "    result = total([1] * 1000)\n    assert result == 1000",
            "    everything = total([1] * 1000)\n    assert everything == 1000",
        )],
    ),
    ("a test is renamed", &[Put(T, "def test_quick", "def test_it_is_quick")]),
    ("a case is added", &[Put(T, "([3], 3)]", "([3], 3), ([], 0)]")]),
    ("a tolerance is lowered", &[Put(T, "rel=1e-6", "rel=1e-9")]),
    ("an assertion is made stricter", &[Put(U, "self.assertIn(3, self.items)", "self.assertEqual(self.items[2], 3)")]),
    ("unittest becomes pytest", &[Put(U, "self.assertEqual(total(self.items), 6)", "assert total(self.items) == 6")]),
    (
        "tests become cases of one",
        &[
            Put(
                T,
                "class TestShop:\n    def test_empty(self):\n        assert total([]) == 0\n\n    def test_one(self):\n        result = total([1])\n        assert result == 1\n        assert isinstance(result, int)\n",
                "",
            ),
            Put(T, "def test_quick", "def test_quick"),
            Put(
                T,
                "@pytest.mark.timeout(5)",
                "@pytest.mark.parametrize(\"items,expected\", [([], 0), ([1], 1)])\ndef test_small(items, expected):\n    result = total(items)\n    assert result == expected\n    assert isinstance(result, int)\n\n\n@pytest.mark.timeout(5)",
            ),
        ],
    ),
    ("the code changes and its tests do not", &[Put("shop.py", "return sum(items)", "return sum(items, 0)")]),
    (
        "a fixture is added",
        &[Put("tests/conftest.py", "import pytest\n", "import pytest\n\n\n@pytest.fixture\ndef more():\n    return [2]\n")],
    ),
    ("a new file of tests", &[Add("tests/test_new.py", "def test_new():\n    assert 1 + 1 == 2\n")]),
];
