import { expect, test } from 'vitest';
import { METRICS, type MetricSpec } from '../../src/metrics/table.ts';

test.each(Object.entries<MetricSpec>(METRICS))(
  '%s is named as Prometheus asks',
  (name, { type, labels, help, buckets }) => {
    expect(name).toMatch(/^claimcheck_[a-z]+(?:_[a-z]+)*$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    // Base units: seconds and bytes, never milliseconds or megabytes.
    expect(name).not.toMatch(/_(?:ms|milliseconds|minutes|kb|mb|percent)(?:_|$)/);
    expect(help).toMatch(/^[\dA-Z].*\.$/);
    for (const label of labels) expect(label).toMatch(/^[a-z]+(?:_[a-z]+)*$/);
    expect(labels.filter((label) => /(?:^|_)(?:id|key|tenant|url|path)$/.test(label))).toEqual([]);
    expect(buckets !== undefined).toBe(type === 'histogram');
    expect(buckets ?? []).toEqual([...(buckets ?? [])].toSorted((a, b) => a - b));
  },
);
