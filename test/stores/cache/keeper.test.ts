import { join } from 'node:path';
import { onTestFinished, test } from 'vitest';
import { CacheKeeper } from '../../../src/stores/cache/keeper.ts';
import { openSqliteCache } from '../../../src/stores/cache/sqlite.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { after, days } from '../../../src/domain/time.ts';
import { openLog } from '../../../src/system/log.ts';
import { folderForTest } from '../../support/folder.ts';
import { until } from '../../support/until.ts';
import { answersTo } from './conformance.ts';

const PLACE = { tenant: 'ada', endpoint: 'squares' };

test('what nobody has asked for in a long time is evicted, however much it is, and the rest stays', async () => {
  const now = systemClock.now();
  let moment = after(now, days(-40));
  const cache = openSqliteCache(join(await folderForTest(), 'cache.sqlite'), { ...systemClock, now: () => moment });
  onTestFinished(() => cache.close());
  const old = Array.from({ length: 12_000 }, (_, number) => number);
  await cache.keep(PLACE, { version: 1, caller: 'a', entries: answersTo(...old) });
  moment = after(now, days(-20));
  await cache.keep(PLACE, { version: 2, caller: 'a', entries: answersTo(1, 2) });
  const keeper = new CacheKeeper({ cache, unusedFor: days(30), clock: systemClock, log: openLog('silent') });
  onTestFinished(() => keeper.close());
  keeper.start();
  await until('the old ones are gone', async () => {
    const { versions } = await cache.info(PLACE);
    return versions.length === 1 && versions[0]!.version === 2 && versions[0]!.rows === 2;
  });
});
