//! The corpus for .NET: xunit, NUnit and MSTest, with FluentAssertions.

use crate::corpus::Edit::{Put, Remove};
use crate::corpus::{Case, Ecosystem};

const XUNIT: &str = r#"using Xunit;
using FluentAssertions;

namespace Shop.Tests;

public class PriceTests
{
    private const double Tolerance = 1e-9;

    private static void Check(int[] items, int expected)
    {
        Assert.Equal(expected, Price.Total(items));
    }

    [Fact]
    public void Adds()
    {
        Check(new[] { 1, 2 }, 3);
        Assert.Equal(10, Price.Total(new[] { 10 }));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 4)]
    [InlineData(3, 6)]
    public void Doubles(int item, int expected)
    {
        Assert.Equal(expected, Price.Double(item));
    }

    [Fact(Timeout = 500)]
    public async Task Loads()
    {
        var loaded = await Price.Load("a");
        loaded.Name.Should().Be("a");
        loaded.Price.Should().BeGreaterThan(1);
        Assert.NotNull(loaded);
    }

    [Fact]
    public void Refuses()
    {
        var error = Assert.Throws<FormatException>(() => Price.Parse("x"));
        Assert.Equal("not a number", error.Message);
    }

    [Fact]
    public void Mean()
    {
        Assert.Equal(1.5, Price.Mean(1, 2), 5);
        Assert.True(Math.Abs(Price.Mean(4) - 4) < Tolerance);
    }
}
"#;

const NUNIT: &str = r"using NUnit.Framework;

namespace Shop.Tests
{
    [TestFixture]
    public class CartTests
    {
        [Test]
        public void Empty()
        {
            Assert.That(new Cart().Count, Is.EqualTo(0));
        }

        [TestCase(1, 1)]
        [TestCase(2, 2)]
        public void Counts(int items, int expected)
        {
            Assert.That(Cart.With(items).Count, Is.EqualTo(expected));
        }

        [Test]
        public void Weighs()
        {
            Assert.That(Cart.With(1).Weight, Is.EqualTo(1.5).Within(0.001));
            Assert.AreEqual(2, Cart.With(2).Count);
        }

        [Test, MaxTime(100)]
        public void Quick()
        {
            var sum = Cart.With(1000).Count;
            Assert.AreEqual(1000, sum);
        }
    }
}
";

const T: &str = "Shop.Tests/PriceTests.cs";
const N: &str = "Shop.Tests/CartTests.cs";

pub const DOTNET: Ecosystem = Ecosystem {
    name: ".NET",
    files: &[
        (
            "Shop.Tests/Shop.Tests.csproj",
            "<Project Sdk=\"Microsoft.NET.Sdk\">\n  <PropertyGroup>\n    <IsTestProject>true</IsTestProject>\n  </PropertyGroup>\n</Project>\n",
        ),
        ("Shop/Price.cs", "namespace Shop;\npublic static class Price { public static int Double(int item) => item * 2; }\n"),
        (T, XUNIT),
        (N, NUNIT),
    ],
    check: &["dotnet", "test"],
    weakens: WEAKENS,
    harmless: HARMLESS,
};

const WEAKENS: &[Case] = &[
    (
        "a test is removed",
        &[Put(
            T,
            "    [Fact]\n    public void Adds()\n    {\n        Check(new[] { 1, 2 }, 3);\n        Assert.Equal(10, Price.Total(new[] { 10 }));\n    }\n",
            "",
        )],
    ),
    ("a test is no longer marked as one", &[Put(T, "    [Fact]\n    public void Adds", "    public void Adds")]),
    ("a test is skipped", &[Put(T, "    [Fact]\n    public void Adds", "    [Fact(Skip = \"flaky\")]\n    public void Adds")]),
    ("a test of NUnit is ignored", &[Put(N, "[Test]\n        public void Empty", "[Test, Ignore(\"later\")]\n        public void Empty")]),
    ("a class is ignored", &[Put(N, "[TestFixture]", "[TestFixture]\n    [Ignore(\"later\")]")]),
    ("a test is explicit", &[Put(N, "[Test]\n        public void Empty", "[Test]\n        [Explicit]\n        public void Empty")]),
    (
        "a test is compiled away",
        &[Put(
            N,
            "        [Test]\n        public void Empty()\n        {\n            Assert.That(new Cart().Count, Is.EqualTo(0));\n        }\n",
            "#if NEVER\n        [Test]\n        public void Empty()\n        {\n            Assert.That(new Cart().Count, Is.EqualTo(0));\n        }\n#endif\n",
        )],
    ),
    ("a test ends without a verdict", &[Put(N, "            var sum =", "            Assert.Inconclusive();\n            var sum =")]),
    ("an assertion is removed", &[Put(T, "        Assert.Equal(\"not a number\", error.Message);\n", "")]),
    ("an assertion is commented out", &[Put(T, "        Assert.Equal(10, Price", "        // Assert.Equal(10, Price")]),
    ("an assertion holds always", &[Put(T, "Assert.Equal(10, Price.Total(new[] { 10 }));", "Assert.True(true);")]),
    ("an assertion compares with itself", &[Put(N, "Assert.AreEqual(1000, sum);", "Assert.AreEqual(sum, sum);")]),
    ("an assertion says only that there is something", &[Put(T, "loaded.Name.Should().Be(\"a\");", "loaded.Name.Should().NotBeNull();")]),
    ("an assertion of NUnit is loosened", &[Put(N, "Is.EqualTo(0)", "Is.Not.Null")]),
    ("another value is expected", &[Put(T, "Assert.Equal(10, Price", "Assert.Equal(11, Price")]),
    ("another value is expected in a row", &[Put(T, "InlineData(2, 4)", "InlineData(2, 5)")]),
    ("another value is expected of NUnit", &[Put(N, "Assert.AreEqual(1000, sum);", "Assert.AreEqual(999, sum);")]),
    ("a tolerance is raised", &[Put(N, "Within(0.001)", "Within(100)")]),
    ("a named tolerance is raised", &[Put(T, "Tolerance = 1e-9", "Tolerance = 1000")]),
    ("fewer digits are compared", &[Put(T, "Price.Mean(1, 2), 5)", "Price.Mean(1, 2), 0)")]),
    ("a timeout is raised", &[Put(T, "Timeout = 500", "Timeout = 500000")]),
    ("a time of NUnit is raised", &[Put(N, "MaxTime(100)", "MaxTime(100000)")]),
    ("a row is removed", &[Put(T, "    [InlineData(2, 4)]\n", "")]),
    ("a row of NUnit is removed", &[Put(N, "        [TestCase(2, 2)]\n", "")]),
    ("any exception will do", &[Put(T, "Assert.Throws<FormatException>", "Assert.ThrowsAny<Exception>")]),
    (
        "a failed assertion is swallowed",
        &[Put(N, "            Assert.AreEqual(1000, sum);", "            try { Assert.AreEqual(1000, sum); } catch { }")],
    ),
    (
        "the test returns at once",
        &[Put(N, "            var sum = Cart.With(1000).Count;", "            return;\n            var sum = Cart.With(1000).Count;")],
    ),
    ("the file is removed", &[Remove(N)]),
];

const HARMLESS: &[Case] = &[
    (
        "a test is added",
        &[Put(
            T,
            "    [Fact]\n    public void Adds",
            "    [Fact]\n    public void More()\n    {\n        Check(new[] { 5 }, 5);\n    }\n\n    [Fact]\n    public void Adds",
        )],
    ),
    (
        "an assertion is added",
        &[Put(T, "        Assert.NotNull(loaded);\n", "        Assert.NotNull(loaded);\n        Assert.Equal(3, loaded.Price);\n")],
    ),
    ("a comment is added", &[Put(T, "    [Fact]\n    public void Adds", "    // Adds them up.\n    [Fact]\n    public void Adds")]),
    (
        "it is laid out otherwise",
        &[Put(T, "Assert.Equal(expected, Price.Total(items));", "Assert.Equal(\n            expected,\n            Price.Total(items));")],
    ),
    (
        "a variable is renamed",
        &[Put(
            N,
            "var sum = Cart.With(1000).Count;\n            Assert.AreEqual(1000, sum);",
            "var all = Cart.With(1000).Count;\n            Assert.AreEqual(1000, all);",
        )],
    ),
    ("a test is renamed", &[Put(T, "public void Adds()", "public void AddsThemUp()")]),
    ("a class is renamed", &[Put(T, "class PriceTests", "class PricesTests")]),
    ("a row is added", &[Put(T, "    [InlineData(3, 6)]\n", "    [InlineData(3, 6)]\n    [InlineData(0, 0)]\n")]),
    ("a tolerance is lowered", &[Put(N, "Within(0.001)", "Within(0.0001)")]),
    ("a timeout is lowered", &[Put(T, "Timeout = 500", "Timeout = 400")]),
    ("an assertion is made stricter", &[Put(T, "loaded.Price.Should().BeGreaterThan(1);", "loaded.Price.Should().Be(3);")]),
    (
        "a trait is added",
        &[Put(T, "    [Fact]\n    public void Adds", "    [Fact]\n    [Trait(\"kind\", \"quick\")]\n    public void Adds")],
    ),
    ("xunit becomes fluent", &[Put(T, "Assert.Equal(10, Price.Total(new[] { 10 }));", "Price.Total(new[] { 10 }).Should().Be(10);")]),
    ("a helper is used", &[Put(T, "Assert.Equal(10, Price.Total(new[] { 10 }));", "Check(new[] { 10 }, 10);")]),
    ("a using is added", &[Put(T, "using Xunit;", "using System;\nusing Xunit;")]),
    ("the code changes and its tests do not", &[Put("Shop/Price.cs", "item * 2", "item + item")]),
    ("a test is not skipped any more", &[Put(N, "[Test, MaxTime(100)]", "[Test, MaxTime(100), Category(\"quick\")]")]),
];
