/**
 * A controller that aborts when one of these signals does, or when it is told to. Unlike AbortSignal.any, whose result
 * the signals hold weakly, it can't be collected while only its listeners wait for it. `unlink` lets the signals go.
 */
export const linkedController = (
  ...signals: readonly AbortSignal[]
): { readonly controller: AbortController; readonly unlink: () => void } => {
  const controller = new AbortController();
  const links = signals.map((signal) => {
    const follow = (): void => controller.abort(signal.reason);
    if (signal.aborted) follow();
    else signal.addEventListener('abort', follow, { once: true });
    return () => signal.removeEventListener('abort', follow);
  });
  return {
    controller,
    unlink: () => {
      for (const end of links) end();
    },
  };
};
