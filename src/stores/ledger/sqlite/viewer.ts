// Which runs somebody sees, as a condition of a statement.

import type { Viewer } from '../../../domain/access.ts';

/**
 * A condition on the runs that a statement calls `runs`; without a viewer all of them fulfil it.
 */
export const seenBy = (runs: string): string => `
  ($tenant IS NULL OR ${runs}.tenant = $tenant)
  AND ($visibleEndpoints IS NULL OR ${runs}.endpoint IN (SELECT value FROM json_each($visibleEndpoints)))`;

/** The values that `seenBy` asks for. */
export const viewerValues = (viewer: Viewer | undefined) => ({
  tenant: viewer?.tenant ?? null,
  visibleEndpoints: viewer === undefined || viewer.endpoints === null ? null : JSON.stringify(viewer.endpoints),
});
