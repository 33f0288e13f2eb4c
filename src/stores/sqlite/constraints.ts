// The CHECKs of a database file that is only read. SQLite leaves them out of the tables of such a
// file, so that its integrity_check finds every row in order; here they are read from the texts of
// the tables, and asked one by one.

import type { DatabaseSync } from 'node:sqlite';
import { Query } from './query.ts';

const TABLES = `SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL ORDER BY name`;
const COLUMNS = `SELECT name, pk FROM pragma_table_info($table) ORDER BY pk`;
/**
 * A constraint with its name, where it has one, up to the bracket behind it; what stands in quotes
 * or behind two hyphens is passed over.
 */
const NEXT_CHECK = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|(?:\bCONSTRAINT\s+(\w+)\s+)?\bCHECK\s*(?=\()/giu;
const NEXT_BRACKET = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|[()]/gu;

/** A condition that every row of a table has to meet. */
interface Check {
  /** What it is called, or what it says. */
  readonly name: string;
  readonly condition: string;
}

/** The rows that break a CHECK of their table, so many at the most, as sentences. */
export function brokenChecks(db: DatabaseSync, limit: number): string[] {
  const broken: string[] = [];
  for (const { name: table, sql } of new Query<{ name: string; sql: string }>(db, TABLES).all()) {
    const key = keyOf(db, table);
    for (const { name, condition } of checksIn(sql)) {
      // A condition that is null is met.
      const rows = `SELECT ${key} AS place FROM "${table}" WHERE NOT (${condition}) LIMIT $limit`;
      const places = new Query<{ place: string }>(db, rows).all({ limit: limit - broken.length });
      broken.push(...places.map(({ place }) => `${table} ${place} breaks: ${name}`));
      if (broken.length >= limit) return broken;
    }
  }
  return broken;
}

/** What names a row of a table, as an expression: its run, or its key. */
function keyOf(db: DatabaseSync, table: string): string {
  const columns = new Query<{ name: string; pk: number }>(db, COLUMNS).all({ table });
  if (columns.some(({ name }) => name === 'run_id')) return 'run_id';
  return columns
    .filter(({ pk }) => pk > 0)
    .map(({ name }) => `"${name}"`)
    .join(` || ' ' || `);
}

function checksIn(sql: string): Check[] {
  return [...sql.matchAll(NEXT_CHECK)].flatMap(({ 0: found, 1: name, index }) => {
    if (!/CHECK\s*$/i.test(found)) return [];
    const condition = inBrackets(sql, index + found.length);
    return [{ name: name?.replaceAll('_', ' ') ?? condition, condition }];
  });
}

/** What stands between a bracket and the one that closes it. */
function inBrackets(sql: string, from: number): string {
  let depth = 0;
  for (const { 0: found, index } of sql.slice(from).matchAll(NEXT_BRACKET)) {
    if (found === '(') depth += 1;
    if (found === ')') depth -= 1;
    if (depth === 0) return sql.slice(from + 1, from + index);
  }
  throw new Error(`The text of a table ends in the middle of a CHECK: ${sql.slice(from)}`);
}
