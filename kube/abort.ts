/**
 * An AbortController that aborts with any of these signals. Unlike AbortSignal.any, whose result the signals hold
 * weakly, it is not collected while only listeners wait for it; `unlink` unsubscribes it.
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
