// Names of columns: finding one, and showing many.

/**
 * The column of a name; where there is none that is spelled so, the only one that differs in case
 * alone; else null.
 */
export function columnNamed(columns: readonly string[], name: string): string | null {
  if (columns.includes(name)) return name;
  const alike = columns.filter((column) => column.toLowerCase() === name.toLowerCase());
  return alike.length === 1 ? alike[0]! : null;
}

/** Those of some names that no column has, without regard to case. */
export function missingFrom(columns: readonly string[], wanted: readonly string[]): string[] {
  const present = new Set(columns.map((column) => column.toLowerCase()));
  return wanted.filter((name) => !present.has(name.toLowerCase()));
}

/**
 * The columns that one of some names may mean without regard to case, where there is more than one;
 * null where each means one at most.
 */
export function ambiguityIn(columns: readonly string[], wanted: readonly string[]): readonly string[] | null {
  for (const name of wanted) {
    const lower = name.toLowerCase();
    const alike = columns.filter(
      (column) => column.toLowerCase() === lower && (column === name || !wanted.includes(column)),
    );
    if (alike.length > 1) return alike;
  }
  return null;
}

/** A table may have thousands of columns, and a message should stay one that is read. */
const LISTED_MAX = 20;

/** Names of columns for a message. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_MAX).map((name) => JSON.stringify(name));
  return names.length > LISTED_MAX ? `${shown.join(', ')} and ${names.length - LISTED_MAX} more` : shown.join(', ');
}
