// Whether the program of a command is there at all: asked before anything is started, when a
// configuration is checked.

import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { basename, delimiter, join, resolve } from 'node:path';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { FieldError } from '../../domain/errors.ts';

/** Programs whose first argument is a file that they run. */
const INTERPRETER = /^(?:python[\d.]*|node|bun|deno|ruby|perl|bash|sh|Rscript|julia|uv)$/;
/** What such a file ends in. */
const SCRIPT = /\.(?:py|[cm]?[jt]s|rb|pl|sh|R|jl)$/;

/**
 * What of a command is not there, as a mistake; null where all is, and for models that are no
 * commands.
 */
export function missingProgram(
  { model, cwd, env }: Pick<EndpointSpec, 'model' | 'cwd' | 'env'>,
  environment: NodeJS.ProcessEnv,
): FieldError | null {
  if (model.runtime !== 'command') return null;
  const [program, first] = model.argv;
  const path = env['PATH'] ?? environment['PATH'] ?? '';
  if (!isThere(program, cwd, path))
    return {
      pointer: 'model',
      detail: program.includes('/')
        ? `runs ${resolve(cwd, program)}, which is no program that is there`
        : `runs ${program}, and there is no program of that name on the PATH`,
    };
  if (first === undefined || !INTERPRETER.test(basename(program)) || !SCRIPT.test(first)) return null;
  const script = resolve(cwd, first);
  return existsSync(script) ? null : { pointer: 'model', detail: `runs ${script}, which does not exist` };
}

function isThere(program: string, cwd: string, path: string): boolean {
  if (program.includes('/')) return isProgram(resolve(cwd, program));
  return path.split(delimiter).some((folder) => isProgram(join(folder, program)));
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    // For one reason or another, this user cannot run it.
    return false;
  }
}
