// The log: JSON lines on standard error, one event a line.

import { type Logger, pino } from 'pino';

/** What the rooms of the server log to. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'isLevelEnabled'>;

/**
 * Opens the log. The text of an event is a constant; what varies stands in its fields, where
 * control characters are escaped.
 */
export function openLog(level: 'debug' | 'info' | 'warn' | 'error' | 'silent'): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
