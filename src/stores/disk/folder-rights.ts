// What a server may do with the files of its data folder.

import type { Instant } from '../../domain/time.ts';

/** What may be deleted in the data folder. */
export interface FolderRights {
  /**
   * Since when what lies in it is this ledger's; null where it is not any more, so that nothing may
   * be deleted of which it knows nothing.
   */
  since(): Instant | null;
  /** Whether somebody copies it: what is deleted now is missing in the copy. */
  isCopied(): boolean;
}
