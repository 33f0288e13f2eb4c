// How a command asks the servers of a data folder to keep still while it copies: by a file in that folder, which nobody but their user can write.
//
//   backup.json          the request, with a number that goes up for as long as the command lives
//   backup-answer.json   what the server of a ledger in a file answers: its file stays as it is now, or why it cannot

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { milliseconds, seconds } from '../domain/time.ts';

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

const requestFile = (data: string): string => join(data, 'backup.json');
const answerFile = (data: string): string => join(data, 'backup-answer.json');

/** Whether somebody copies the folder, or did when it was cut off. */
export const isAsked = (data: string): boolean => existsSync(requestFile(data));

/** The request in a data folder; null where there is none. */
export const readRequest = (data: string): BackupRequest | null => read<BackupRequest>(requestFile(data));
/** The answer in a data folder; null where there is none. */
export const readAnswer = (data: string): BackupAnswer | null => read<BackupAnswer>(answerFile(data));

/** Writes a request, whole or not at all. */
export const writeRequest = (data: string, request: BackupRequest): void => write(requestFile(data), request);
/** Writes an answer, whole or not at all. */
export const writeAnswer = (data: string, answer: BackupAnswer): void => write(answerFile(data), answer);

/** Removes a request and what was answered. */
export function removeRequest(data: string): void {
  rmSync(requestFile(data), { force: true });
  rmSync(answerFile(data), { force: true });
}

function read<Content>(file: string): Content | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Content;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function write(file: string, content: object): void {
  writeFileSync(`${file}.unfinished`, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  renameSync(`${file}.unfinished`, file);
}
