// How a command asks the servers of a data folder to keep still while it copies: by a file in that
// folder, which nobody but their user can write.
//
//   backup.json          the request, with a number that goes up for as long as the command lives
//   backup-answer.json   what the server of a ledger in a file answers: its file stays as it is
//                        now, or why it cannot

import { chownSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { milliseconds, seconds } from '../../domain/time.ts';

/** How often a command says that it lives. */
export const BEAT = seconds(1);
/** A request whose number stays the same for so long is nobody's any more. */
export const LAPSED_AFTER = seconds(30);
/** How often a server looks for a request, and a command for its answer. */
export const LOOK_EVERY = milliseconds(500);

/** What a command asks. */
export interface BackupRequest {
  readonly id: string;
  readonly beat: number;
}

/** What a server answers; `trouble` is null where the ledger's file stays as it is. */
export interface BackupAnswer {
  readonly id: string;
  readonly trouble: string | null;
}

/** A request that cannot be read, which stands still like one whose command was killed. */
const UNREADABLE: BackupRequest = { id: 'unreadable', beat: 0 };

const requestFile = (data: string): string => join(data, 'backup.json');
const answerFile = (data: string): string => join(data, 'backup-answer.json');

/** Whether somebody copies the folder, or did when it was cut off. */
export const isAsked = (data: string): boolean => existsSync(requestFile(data));

/** The request in a data folder; null where there is none. */
export const readRequest = (data: string): BackupRequest | null =>
  read<BackupRequest>(requestFile(data), ['id', 'beat'], UNREADABLE);
/** The answer in a data folder; null where there is none that can be read. */
export const readAnswer = (data: string): BackupAnswer | null =>
  read<BackupAnswer>(answerFile(data), ['id', 'trouble'], null);

/** Writes a request, whole or not at all. */
export const writeRequest = (data: string, request: BackupRequest): void => replace(data, requestFile(data), request);

/** Writes a request where there is none; false, and nothing was done, where there is one. */
export function placeRequest(data: string, request: BackupRequest): boolean {
  try {
    write(data, requestFile(data), request, 'wx');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Writes an answer, whole or not at all. */
export const writeAnswer = (data: string, answer: BackupAnswer): void => replace(data, answerFile(data), answer);

/** Removes a request and what was answered. */
export function removeRequest(data: string): void {
  rmSync(requestFile(data), { force: true });
  rmSync(answerFile(data), { force: true });
}

function read<Content>(file: string, members: readonly string[], unreadable: Content | null): Content | null {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const isOurs = typeof content === 'object' && content !== null && members.every((name) => name in content);
    return isOurs ? (content as Content) : unreadable;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : unreadable;
  }
}

function replace(data: string, file: string, content: object): void {
  const whole = `${file}.unfinished`;
  write(data, whole, content, 'w');
  renameSync(whole, file);
}

/** The file is the folder's owner's: root asks the server of another user. */
function write(data: string, file: string, content: object, flag: 'w' | 'wx'): void {
  writeFileSync(file, `${JSON.stringify(content)}\n`, { mode: 0o600, flag });
  const { uid, gid } = statSync(data);
  if (process.getuid?.() === 0 && uid !== 0) chownSync(file, uid, gid);
}
