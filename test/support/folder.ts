// Folders that are gone when their test is.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * Registers what is to be done when a test is over. Concurrent tests have one of their own, in
 * their context.
 */
export type WhenDone = (cleanUp: () => Promise<void> | void) => void;

/**
 * A new empty folder; its maker removes it. The path is short, since a Unix socket's has 108
 * bytes at the most.
 */
export const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'cc-test-'));

/** Removes a folder and everything in it; one that is gone already is fine. */
export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });

/** A new empty folder for the test that is running. */
export async function folderForTest(whenDone: WhenDone = onTestFinished): Promise<string> {
  const folder = await newFolder();
  whenDone(() => removeFolder(folder));
  return folder;
}
