//! The corpus for JavaScript and TypeScript: jest or vitest, node:test with chai, and a snapshot.

use crate::corpus::Edit::{Put, Remove};
use crate::corpus::{Case, Ecosystem};

const TESTS: &str = r"import { total, mean, parse, load } from '../src/shop';

jest.setTimeout(5000);

function checkTotal(items: number[], expected: number) {
  expect(total(items)).toBe(expected);
}

describe('shop', () => {
  let items: number[];

  beforeEach(() => {
    items = [1, 2, 3];
  });

  it('adds', () => {
    expect(total(items)).toBe(6);
    expect(total([])).toBe(0);
  });

  it('takes the mean', () => {
    expect(mean([1, 2])).toBeCloseTo(1.5, 5);
  });

  it('refuses words', () => {
    expect(() => parse('x')).toThrow('not a number');
  });

  it('loads', async () => {
    const loaded = await load('a');
    expect(loaded).toEqual({ name: 'a', price: 3 });
    expect(loaded.price).toBeGreaterThan(1);
  }, 1000);

  it('checks by a helper', () => {
    checkTotal([5], 5);
  });

  test.each([
    [[1, 1], 2],
    [[2, 2], 4],
    [[3], 3],
  ])('adds %j', (list, expected) => {
    expect(total(list)).toBe(expected);
  });

  it('looks the same', () => {
    expect(total([1])).toMatchSnapshot();
  });
});
";

const NODE: &str = r"import test from 'node:test';
import assert from 'node:assert/strict';
import { total } from '../src/shop.js';

test('adds', () => {
  assert.equal(total([1, 2]), 3);
  assert.deepEqual([total([1])], [1]);
});

test('is quick', { timeout: 500 }, () => {
  const result = total(new Array(1000).fill(1));
  assert.equal(result, 1000);
});

test('refuses', () => {
  assert.throws(() => total(null), /no items/);
});
";

const SNAPSHOT: &str = "// Jest Snapshot v1\n\nexports[`shop a 1`] = `1`;\n\nexports[`shop b 1`] = `2`;\n\nexports[`shop c 1`] = `3`;\n\nexports[`shop d 1`] = `4`;\n";

const T: &str = "src/shop.test.ts";
const N: &str = "test/shop.test.mjs";
const S: &str = "src/__snapshots__/shop.test.ts.snap";

pub const SCRIPT: Ecosystem = Ecosystem {
    name: "JavaScript and TypeScript",
    files: &[
        ("package.json", "{ \"name\": \"shop\", \"scripts\": { \"test\": \"jest\", \"start\": \"node src/shop.js\" } }\n"),
        ("src/shop.ts", "export const total = (items: number[]) => items.reduce((a, b) => a + b, 0);\n"),
        (T, TESTS),
        (N, NODE),
        (S, SNAPSHOT),
    ],
    check: &["npm", "test"],
    weakens: WEAKENS,
    harmless: HARMLESS,
};

const WEAKENS: &[Case] = &[
    ("a test is removed", &[Put(T, "  it('takes the mean', () => {\n    expect(mean([1, 2])).toBeCloseTo(1.5, 5);\n  });\n", "")]),
    (
        "a test is commented out",
        &[Put(
            N,
            "test('refuses', () => {\n  assert.throws(() => total(null), /no items/);\n});",
            "// test('refuses', () => {\n//   assert.throws(() => total(null), /no items/);\n// });",
        )],
    ),
    ("a test is skipped", &[Put(T, "it('adds'", "it.skip('adds'")]),
    ("a test is skipped by its name", &[Put(T, "it('adds'", "xit('adds'")]),
    ("a group is skipped", &[Put(T, "describe('shop'", "describe.skip('shop'")]),
    ("a test is skipped by an option", &[Put(N, "{ timeout: 500 }", "{ timeout: 500, skip: true }")]),
    ("a test skips itself", &[Put(N, "test('adds', () => {\n", "test('adds', (t) => {\n  t.skip('later');\n")]),
    (
        "a test is only planned",
        &[Put(T, "it('takes the mean', () => {\n    expect(mean([1, 2])).toBeCloseTo(1.5, 5);\n  });", "it.todo('takes the mean');")],
    ),
    ("a failure is expected", &[Put(T, "it('adds'", "it.failing('adds'")]),
    ("only one test runs", &[Put(T, "it('adds'", "it.only('adds'")]),
    ("an assertion is removed", &[Put(T, "    expect(total([])).toBe(0);\n", "")]),
    ("an assertion is commented out", &[Put(N, "  assert.deepEqual(", "  // assert.deepEqual(")]),
    ("an assertion holds always", &[Put(T, "expect(total(items)).toBe(6);", "expect(true).toBe(true);")]),
    ("an assertion holds always, of node", &[Put(N, "assert.equal(result, 1000);", "assert.ok(true);")]),
    (
        "an assertion says only that there is something",
        &[Put(T, "expect(loaded).toEqual({ name: 'a', price: 3 });", "expect(loaded).toBeDefined();")],
    ),
    (
        "a part is compared instead of all",
        &[Put(T, "expect(loaded).toEqual({ name: 'a', price: 3 });", "expect(loaded).toEqual(expect.anything());")],
    ),
    ("another value is expected", &[Put(T, "toBe(6)", "toBe(7)")]),
    ("another value is expected of node", &[Put(N, "assert.equal(total([1, 2]), 3);", "assert.equal(total([1, 2]), 4);")]),
    ("fewer digits are compared", &[Put(T, "toBeCloseTo(1.5, 5)", "toBeCloseTo(1.5, 0)")]),
    ("a bound is lowered", &[Put(T, "toBeGreaterThan(1)", "toBeGreaterThan(-1000)")]),
    ("a timeout is raised", &[Put(T, "}, 1000);", "}, 100000);")]),
    ("the timeout of all is raised", &[Put(T, "setTimeout(5000)", "setTimeout(500000)")]),
    ("a timeout of node is raised", &[Put(N, "timeout: 500", "timeout: 500000")]),
    ("tests are tried again", &[Put(T, "jest.setTimeout(5000);", "jest.setTimeout(5000);\njest.retryTimes(5);")]),
    ("a case is removed", &[Put(T, "    [[2, 2], 4],\n", "")]),
    ("any exception will do", &[Put(T, "toThrow('not a number')", "toThrow()")]),
    (
        "a failed assertion is swallowed",
        &[Put(N, "  assert.equal(result, 1000);", "  try {\n    assert.equal(result, 1000);\n  } catch (e) {}")],
    ),
    ("the test returns at once", &[Put(N, "test('adds', () => {\n", "test('adds', () => {\n  return;\n")]),
    (
        "most snapshots are rewritten",
        &[Put(
            S,
            "`1`;\n\nexports[`shop b 1`] = `2`;\n\nexports[`shop c 1`] = `3`;",
            "`9`;\n\nexports[`shop b 1`] = `9`;\n\nexports[`shop c 1`] = `9`;",
        )],
    ),
    ("the file is removed", &[Remove(N)]),
];

const HARMLESS: &[Case] = &[
    (
        "a test is added",
        &[Put(T, "  it('takes the mean'", "  it('adds one', () => {\n    expect(total([1])).toBe(1);\n  });\n\n  it('takes the mean'")],
    ),
    (
        "a test of node is added",
        &[Put(N, "test('refuses'", "test('adds none', () => {\n  assert.equal(total([]), 0);\n});\n\ntest('refuses'")],
    ),
    (
        "an assertion is added",
        &[Put(T, "    expect(total([])).toBe(0);\n", "    expect(total([])).toBe(0);\n    expect(total([1])).toBe(1);\n")],
    ),
    ("a comment is added", &[Put(T, "  it('adds'", "  // The sum of all.\n  it('adds'")]),
    ("quotes are of the other kind", &[Put(T, "parse('x')", "parse(\"x\")")]),
    ("it is laid out otherwise", &[Put(T, "expect(total(items)).toBe(6);", "expect(\n      total(items),\n    ).toBe(6);")]),
    ("semicolons are left out", &[Put(N, "  assert.equal(result, 1000);", "  assert.equal(result, 1000)")]),
    (
        "a variable is renamed",
        &[Put(
            N,
            "const result = total(new Array(1000).fill(1));\n  assert.equal(result, 1000);",
            "const all = total(new Array(1000).fill(1));\n  assert.equal(all, 1000);",
        )],
    ),
    ("a test is renamed", &[Put(T, "it('adds'", "it('adds all of them'")]),
    ("a group is renamed", &[Put(T, "describe('shop'", "describe('the shop'")]),
    ("a case is added", &[Put(T, "    [[3], 3],\n", "    [[3], 3],\n    [[], 0],\n")]),
    ("more digits are compared", &[Put(T, "toBeCloseTo(1.5, 5)", "toBeCloseTo(1.5, 8)")]),
    ("a timeout is lowered", &[Put(T, "}, 1000);", "}, 500);")]),
    ("an assertion is made stricter", &[Put(T, "expect(loaded.price).toBeGreaterThan(1);", "expect(loaded.price).toBe(3);")]),
    ("a helper is pulled out", &[Put(T, "    expect(total(items)).toBe(6);\n", "    checkTotal(items, 6);\n")]),
    ("one of many snapshots follows", &[Put(S, "`1`", "`10`")]),
    (
        "a function becomes an arrow",
        &[Put(
            T,
            "function checkTotal(items: number[], expected: number) {\n  expect(total(items)).toBe(expected);\n}",
            "const checkTotal = (items: number[], expected: number) => {\n  expect(total(items)).toBe(expected);\n};",
        )],
    ),
    ("the code changes and its tests do not", &[Put("src/shop.ts", "(a, b) => a + b, 0", "(sum, item) => sum + item, 0")]),
    ("another script is added", &[Put("package.json", "\"start\"", "\"fmt\": \"prettier -w .\", \"start\"")]),
];
