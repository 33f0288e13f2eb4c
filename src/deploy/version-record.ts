// A version as the ledger keeps it: what is written of an endpoint, and what is made of that again.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { EndpointSpec } from '../domain/endpoint.ts';
import { isLack, isSystemError } from '../domain/system-error.ts';
import type { Deployment, DeploymentRecord } from '../stores/ledger/ledger.ts';

/** What the ledger is told of a version, which is a new one where its fingerprint is new. */
export function deploymentOf(spec: EndpointSpec, source: 'config' | 'api'): Deployment {
  return {
    name: spec.name,
    fingerprint: fingerprintOf(spec),
    spec: JSON.stringify(spec),
    source,
    queueLimit: spec.queueLimit,
    concurrencyLimit: spec.concurrencyLimit,
  };
}

/**
 * Changes when the specification does, or the model file. What the file imports is not followed.
 */
function fingerprintOf(spec: EndpointSpec): string {
  const digest = createHash('sha256').update(JSON.stringify(spec));
  if ('file' in spec.model) digest.update(readFileSync(spec.model.file));
  return digest.digest('hex');
}

/**
 * The specification of a version that is what it was, or why it is not: one that somebody has
 * damaged keeps no server from its other endpoints.
 */
export function keptSpec(record: DeploymentRecord): { readonly spec: EndpointSpec } | { readonly reason: string } {
  const { version, fingerprint, spec: text } = record;
  try {
    const spec = JSON.parse(text) as EndpointSpec | null;
    if (spec === null)
      return {
        reason: `Version ${version} was deployed by an older claimcheck, which kept no specification. ${again(record)}`,
      };
    if (fingerprintOf(spec) === fingerprint) return { spec };
  } catch (error) {
    if (!isSystemError(error))
      return { reason: `What the ledger says of version ${version} cannot be read any more. ${again(record)}` };
    // Another time it may be read.
    if (isLack(error)) throw error;
  }
  return {
    reason: `The model of version ${version} has changed since it was deployed, or is gone, or cannot be read. ${again(record)}`,
  };
}

/** What to do about a version that cannot be used. */
export const again = ({ endpoint }: DeploymentRecord): string => `Deploy ${endpoint} again, which makes a new version.`;
