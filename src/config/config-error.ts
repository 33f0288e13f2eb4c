// What is wrong with a configuration. On its own, so that code that tells errors apart needs
// nothing else of this room.

import { basename } from 'node:path';
import type { FieldError } from '../domain/errors.ts';

/**
 * A configuration that cannot be used: there is none, or it has mistakes. The message names every
 * one of them and where it stands.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The file that was read or looked for; where none was named, the folder. */
  readonly file: string;
  readonly mistakes: readonly FieldError[];

  /**
   * @param message what is said in place of the list of mistakes, where there is nothing to list
   */
  constructor(file: string, mistakes: readonly FieldError[], message = listOf(file, mistakes)) {
    super(message);
    this.file = file;
    this.mistakes = mistakes;
  }
}

/** A configuration that is not there: the sentence is all that is wrong, and says what to do. */
export const noConfig = (file: string, sentence: string): ConfigError =>
  new ConfigError(file, [{ pointer: '', detail: sentence }], sentence);

function listOf(file: string, mistakes: readonly FieldError[]): string {
  const lines = mistakes.map(({ pointer, detail }) => `  ${pointer === '' ? 'the file' : pointer}  ${detail}`);
  const counted = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  return `${basename(file)} has ${counted}:\n${lines.join('\n')}`;
}
