// What the values of Python become, one by one: the table of docs/models.md.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fleetForTest, type Fleet } from '../replicas/fleet.ts';
import { hasPandas, NO_PANDAS, PYTHON } from '../support/pandas.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';

function fleetOf(model: string, python: string): { told(input: unknown, metadata?: object): Promise<string> } {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await fleetForTest({ model, python, replicas: { min: 1 } }, { whenDone: afterAll });
  });
  return {
    async told(input, metadata = {}) {
      const headers = { 'content-type': 'application/json', 'claimcheck-metadata': JSON.stringify(metadata) };
      const body = Buffer.from(JSON.stringify(input));
      const reply = await (await fleet.slot()).invoke({ headers, body }, new AbortController().signal);
      if (reply.kind === 'output') return new TextDecoder().decode(reply.bytes);
      return `${reply.kind}: ${'detail' in reply ? reply.detail : ''}`;
    },
  };
}

type Case = readonly [code: string, becomes: string | RegExp];

async function hold(told: Promise<string>, becomes: string | RegExp): Promise<void> {
  if (typeof becomes === 'string') expect(await told).toBe(becomes);
  else expect(await told).toMatch(becomes);
}

const OF_PYTHON: readonly Case[] = [
  ['[None, True, 1, 1.5, "a", (1, 2), {"a": 1}]', '[null,true,1,1.5,"a",[1,2],{"a":1}]'],
  ['10 ** 30', `1${'0'.repeat(30)}`],
  ['Pair(1, 2)', '[1,2]'],
  ['collections.OrderedDict(a=1)', '{"a":1}'],
  ['types.MappingProxyType({"a": 1})', '{"a":1}'],
  ['decimal.Decimal("1.10")', '1.10'],
  ['datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)', '"2026-01-02T03:04:00+00:00"'],
  ['datetime.date(2026, 1, 2)', '"2026-01-02"'],
  ['datetime.time(3, 4)', '"03:04:00"'],
  ['datetime.timedelta(days=1, seconds=5.5)', '"P1DT0H0M5.5S"'],
  ['datetime.timedelta(seconds=-1)', '"P-1DT23H59M59S"'],
  ['Colour.RED', '"red"'],
  ['Level.HIGH', '3'],
  ['Point(1.5, Point(2.5))', '{"x":1.5,"y":{"x":2.5,"y":null}}'],
  ['uuid.UUID(int=5)', '"00000000-0000-0000-0000-000000000005"'],
  ['pathlib.Path("/a/b")', '"/a/b"'],
  ['array.array("d", [1.5])', '[1.5]'],
  ['Tensor([1.5, [2]])', '[1.5,[2]]'],
  ['{None: 1, False: 2}', '{"null":1,"false":2}'],
  ['{0.5: 1, 7: 2}', '{"0.5":1,"7":2}'],
  ['[{"a": {1: "one", "1": "two"}}]', /^invalid-output: .*the key "1" twice, as 1 and as '1' at \/0\/a: .*differ/],
  ['Point({True: 1, "true": 2})', /the key "true" twice, as True and as 'true' at \/x/],
  ['{(1, 2): 3}', /a tuple as a key: .*strings/],
  [
    '{"a": [1, 10 ** 5_000]}',
    /^invalid-output: .*an integer of more digits than Python writes at \/a\/1: .*return a float/,
  ],
  ['{10 ** 5_000: 1}', /a int as a key/],
  ['[float("nan")]', /^invalid-output: The output has NaN at \/0/],
  ['{"a": [1, float("-inf")]}', /has -Infinity at \/a\/1/],
  ['[decimal.Decimal("sNaN")]', /has sNaN at \/0/],
  ['[b"x"]', /^invalid-output: The output has bytes at \/0: .*value\.decode\(\)/],
  ['[memoryview(b"x")]', /has bytes at \/0/],
  ['{"a": {1, 2}}', /a set, which has no order at \/a: .*sorted\(value\)/],
  ['[range(3)]', /a range at \/0: .*list\(value\)/],
  ['[iter([1])]', /a list_iterator at \/0: .*list\(value\)/],
  ['[1j]', /a complex number at \/0/],
  ['[fractions.Fraction(1, 3)]', /a Fraction at \/0: .*str\(value\)/],
  ['[object()]', /a object at \/0: .*str\(value\)/],
  ['[Tensor([float("nan")])]', /NaN at \/0\/0/],
];

describe.skipIf(!hasPython)(`of Python itself (${NO_PYTHON} where this is skipped)`, () => {
  const { told } = fleetOf('./values.py', 'python3');
  test.each(OF_PYTHON)('%s', (code, becomes) => hold(told(code), becomes));
});

const OF_LIBRARIES: readonly Case[] = [
  ['[np.float32(0.5), np.int64(2 ** 60), np.bool_(True), np.str_("a")]', '[0.5,1152921504606846976,true,"a"]'],
  ['[np.array(3.5), np.array([[1, 2]]), np.array([])]', '[3.5,[[1,2]],[]]'],
  ['np.ma.array([1.5, 2.5])', '[1.5,2.5]'],
  ['np.datetime64("2026-01-02T03:04:05.123456789")', '"2026-01-02T03:04:05.123456789"'],
  ['np.array(["2026-01-02"], dtype="M8[D]")', '["2026-01-02"]'],
  ['[np.timedelta64(5, "s"), np.timedelta64(5, "ns")]', '["P0DT0H0M5S","P0DT0H0M0.000000005S"]'],
  ['[pd.Timestamp("2026-01-02"), pd.Timedelta(seconds=5.5)]', '["2026-01-02T00:00:00","P0DT0H0M5.5S"]'],
  ['[pd.Series([1.5]), pd.Index([1]), pd.Categorical(["a"]), pd.array([1])]', '[[1.5],[1],["a"],[1]]'],
  ['[pl.Series([1, 2]), pa.array([1, 2]), pa.scalar(3)]', '[[1,2],[1,2],3]'],
  ['[np.longdouble(1) / 3]', /longdouble|float128.* at \/0: .*float\(value\)/],
  ['[np.complex128(1)]', /a complex number at \/0/],
  ['[np.timedelta64(5, "Y")]', /a timedelta64\[Y\] at \/0/],
  ['[np.bytes_(b"x")]', /bytes at \/0/],
  ['[pd.Interval(0, 1)]', /a Interval at \/0: .*str\(value\)/],
  ['[pd.Period("2026-01")]', /a Period at \/0/],
  ['[{np.int64(1): 2}]', /a int64 as a key at \/0/],
  ['[np.array([1, np.inf])]', /Infinity at \/0\/1/],
  ['[pd.DataFrame({"a": [1]})]', /a DataFrame at \/0: .*to_dict/],
  ...[
    'pd.NA',
    'pd.NaT',
    'np.datetime64("NaT")',
    'np.timedelta64("NaT")',
    'np.ma.masked',
    'np.ma.array([1.5, 2], mask=[0, 1])',
    'pd.array([1.5, None], dtype="Float64")',
    'pd.Series([1, None], dtype="int64[pyarrow]")',
    'pd.Series([1, None], dtype="Int64")',
    'pd.Series([pd.Timestamp("2026-01-01"), pd.NaT])',
    'pa.array([1, None])',
    'pa.scalar(None, pa.int64())',
    'pl.Series([1.5, None])',
  ].map((code): Case => [`{"a": ${code}}`, /^invalid-output: The output has a missing value.* at \/a:/]),
];

describe.skipIf(!hasPandas)(`of numpy, pandas, pyarrow and Polars${NO_PANDAS}`, () => {
  const { told } = fleetOf('./values.py', PYTHON);
  test.each(OF_LIBRARIES)('%s', (code, becomes) => hold(told(code), becomes));
});

describe.skipIf(!hasPandas)(`a DataFrame that predict returns${NO_PANDAS}`, () => {
  const { told } = fleetOf('./frames.py', PYTHON);
  const ROWS = [
    { id: 'a', x: 3 },
    { id: 'b', x: 1 },
    { id: 'c', x: 2 },
  ];
  const IN_ORDER = '[{"id":"a","x":3},{"id":"b","x":1},{"id":"c","x":2}]';
  const of = (code: string, rows: object[] = ROWS): Promise<string> => told(rows, { code });

  test.each([
    'df',
    'df.sort_values("x")',
    'df.sample(frac=1, random_state=7)',
    'df.iloc[::-1]',
    'pd.concat([df[df.x > 1], df[df.x <= 1]])',
    'df.groupby(df.x % 2, group_keys=False).apply(lambda part: part.sort_values("x"))[["id", "x"]]',
    'df.sort_values("x").reset_index().merge(pd.DataFrame({"id": list("cab")})).set_index("index").rename_axis(None)',
    'pl.DataFrame(rows)',
  ])('has its rows where they belong: %s', async (code) => expect(await of(code)).toBe(IN_ORDER));

  test.each([
    'df.set_index("id", drop=False)',
    'df.set_axis([0, 0, 1])',
    'df.set_axis([1, 2, 3])',
    'df.set_axis([False, True, 2])',
    'df.set_index(["id", "x"], drop=False)',
  ])('is refused where its index does not say which row is which: %s', async (code) =>
    expect(await of(code)).toMatch(/^invalid-output: The index of the DataFrame .*begins with .*reset_index/),
  );

  test('alone needs no index, and of another number of rows is told that', async () => {
    expect(await of('df.set_index("id", drop=False)', [ROWS[0]!])).toBe('[{"id":"a","x":3}]');
    expect(await of('df[df.x > 1]')).toContain('was given 3 rows and returned 2');
  });

  test.each([
    ['df.assign(y=(df.x - 1) / (df.x - 1))', 'NaN'],
    ['df.assign(y=((df.x - 1) / (df.x - 1)).astype("Float64"))', 'N[aA][N]?'],
    ['df.assign(y=pd.array([1.5, None, 2], dtype="Float64"))', 'NA'],
    ['df.assign(y=pd.array([1, None, 2], dtype="Int64"))', 'NA'],
    ['df.assign(y=pd.array([True, None, True], dtype="boolean"))', 'NA'],
    ['df.assign(y=pd.array([1.5, None, 2], dtype="double[pyarrow]"))', 'NA'],
    ['df.assign(y=df.id.map({"a": "A", "c": "C"}))', 'N[aA]N?'],
    ['df.assign(y=pd.Series(["A", float("nan"), "C"], dtype="object"))', 'NaN'],
    ['df.assign(y=pd.to_datetime(["2026-01-01", None, "2026-01-01"]))', 'NaT'],
    ['df.assign(y=pd.to_timedelta([1, None, 2]))', 'NaT'],
    ['df.assign(y=pd.Categorical(["a", None, "b"]))', 'NaN'],
    ['df.assign(y=[1, float("inf"), 2])', 'Infinity'],
    ['df.assign(y=pd.array([1.5, None, 2], dtype="Float64")).sort_values("x")', 'NA'],
    ['pl.DataFrame(rows).with_columns(y=pl.Series([1.5, None, 2]))', 'NA'],
    ['pl.DataFrame(rows).with_columns(y=pl.Series([1.5, float("nan"), 2]))', 'NaN'],
    ['pl.DataFrame(rows).with_columns(y=pl.Series([[1], [1, None], [2]]))', 'null'],
    ['pl.DataFrame(rows).with_columns(y=pl.Series([{"z": 1}, {"z": None}, {"z": 2}]))', 'null'],
  ])('hides nothing that is missing: %s', async (code, what) =>
    expect(await of(code)).toMatch(new RegExp(`^invalid-output: Row 2, column "y": .*${what}`)),
  );

  test('has null where a row had it before, and where somebody says so', async () => {
    const rows = [
      { a: 1, t: 'x' },
      { a: null, t: null },
    ];
    for (const code of ['df', 'df.iloc[::-1]', 'df.convert_dtypes()', 'pl.DataFrame(rows)'])
      expect(await of(code, rows)).toMatch(/^\[\{"a":1(?:\.0)?,"t":"x"\},\{"a":null,"t":null\}\]$/);
    const nested = [{ a: [1, null] }, { a: [2] }];
    expect(await of('pl.DataFrame(rows)', nested)).toBe(JSON.stringify(nested));
    const said = 'df.assign(y=[1.5, float("nan"), 2]).pipe(lambda d: d.astype(object).where(d.notna(), None))';
    expect(await of(said)).toContain('{"id":"b","x":1,"y":null}');
  });

  test('may hold dates, durations and lists', async () => {
    const code = 'df.assign(d=pd.Timestamp("2026-01-02"), t=pd.Timedelta(seconds=5), l=[[1], [2], [3]]).head(3)';
    expect(await of(code)).toContain('"d":"2026-01-02T00:00:00","t":"P0DT0H0M5S","l":[1]}');
  });

  test('that is lazy is told how to be none', async () =>
    expect(await of('pl.DataFrame(rows).lazy()')).toContain('returned a LazyFrame; return frame.collect()'));
});
