// What the document is made from, and what it looks like to those who write it.

/** An endpoint, as much as the document says of it. */
export interface DocumentedEndpoint {
  readonly name: string;
  readonly description: string | null;
  /** Whether a row is what the input's schema describes. */
  readonly takesRows: boolean;
  readonly inputSchema: object | null;
  readonly outputSchema: object | null;
}

/** An operation of the document. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly requestBody?: unknown;
  readonly parameters: readonly unknown[];
  readonly responses: Readonly<Record<string, unknown>>;
}

/** The document. */
export interface OpenApiDocument {
  readonly openapi: '3.1.1';
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>>; readonly securitySchemes: object };
  readonly [member: string]: unknown;
}
