// A reader of Prometheus' text format, as strict as the format is:
// https://prometheus.io/docs/instrumenting/exposition_formats/

/** A sample: the name of its line, its labels and its value. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with all its samples. */
export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LINE = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/**
 * Reads a whole answer.
 *
 * @throws Error for everything that a scraper would not read: a line of no form, a sample before
 *   its metric, a metric or a sample twice
 */
export function readExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('The last line has no end.');
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const seen = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, comment, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (comment === undefined) {
      const sample = readSample(line);
      const family = families.get(sample.name) ?? families.get(sample.name.replace(/_(?:bucket|sum|count)$/, ''));
      if (family === undefined) throw new Error(`${line} comes before its metric.`);
      const key = `${sample.name}${JSON.stringify(sample.labels)}`;
      if (seen.has(key)) throw new Error(`${line} is there twice.`);
      seen.add(key);
      family.samples.push(sample);
    } else if (comment === 'HELP') {
      if (families.has(name!) || !NAME.test(name!)) throw new Error(`${line} is no new metric.`);
      families.set(name!, { type: 'untyped', help: rest!, samples: [] });
    } else families.get(name!)!.type = rest!;
  }
  return families;
}

function readSample(line: string): Sample {
  const [, name, labels = '', value] = LINE.exec(line) ?? [];
  if (name === undefined || !NAME.test(name)) throw new Error(`${line} is no sample.`);
  const read: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labels.length) {
    const [, label, text] = LABEL.exec(labels) ?? [];
    if (label === undefined || label in read) throw new Error(`${line} has labels that cannot be read.`);
    read[label] = text!.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  const number = value === '+Inf' ? Infinity : Number(value);
  // What Go's ParseFloat takes, which looks at no case here; prom-client writes Nan for a mean
  // of nothing.
  if (Number.isNaN(number) && !/^nan$/i.test(value!)) throw new Error(`${line} has no value.`);
  return { name, labels: read, value: number };
}
