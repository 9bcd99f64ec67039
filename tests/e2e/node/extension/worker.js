'use strict';
// A listener, so that the worker is started; download.js calls chrome.downloads in it.
chrome.downloads.onChanged.addListener(() => {});
