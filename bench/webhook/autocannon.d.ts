/** Types of autocannon, which ships none, as far as the benchmark uses it. */
declare module 'autocannon' {
  interface Request {
    body?: string;
  }
  interface Result {
    readonly duration: number;
    readonly '2xx': number;
    readonly non2xx: number;
    readonly errors: number;
  }
  function autocannon(options: {
    readonly url: string;
    readonly connections: number;
    readonly duration: number;
    readonly method: 'POST';
    readonly headers: Readonly<Record<string, string>>;
    readonly requests: readonly { readonly setupRequest: (request: Request) => Request }[];
    readonly tlsOptions?: { readonly rejectUnauthorized: boolean };
  }): Promise<Result>;
  export = autocannon;
}
