// What the chosen crontab means, in words, below its field. django-celery-beat's own form has this
// in a script of the page, which the content security policy refuses.
(() => {
  const words = JSON.parse(document.getElementById('readable-crontabs').textContent);
  const field = document.querySelector('.field-crontab');
  const choice = document.getElementById('id_crontab');
  if (!field || !choice) return;
  const line = document.createElement('div');
  line.className = 'help';
  line.setAttribute('aria-live', 'polite');
  field.append(line);
  const show = () => { line.textContent = words[choice.value] || ''; };
  choice.addEventListener('change', show);
  show();
  // The same words as of the last save.
  document.querySelector('.field-crontab_translation')?.remove();
})();
// Django's pairs of a date and a time have one label for both, which names neither.
for (const field of document.querySelectorAll('.datetime input:not([aria-label])')) {
  const row = field.closest('.form-row')?.querySelector('label, legend, .fieldset-heading');
  const what = field.classList.contains('vDateField') ? 'date' : 'time';
  field.setAttribute('aria-label', `${row?.textContent.trim().replace(/:$/, '') ?? ''} ${what}`.trim());
}
