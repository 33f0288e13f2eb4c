// Signing secrets as Standard Webhooks has them:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

import { randomBytes } from 'node:crypto';

/** Bytes of a secret; the specification asks for 24 to 64. */
const SECRET_BYTES = 32;

/** A new secret: `whsec_` and its bytes in base64. */
export const newSigningSecret = (): string => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
