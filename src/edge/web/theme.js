// Runs before the page is drawn, so that a chosen theme does not flash.
(() => {
  const kept = (() => {
    try {
      return localStorage.getItem('aura-theme');
    } catch {
      return null;
    }
  })();
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
})();
