;;; ghostline.el --- Ghost text from a language model on this machine  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The ghostline authors

;; Author: The ghostline authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1") (lsp-mode "10.0.0"))
;; Keywords: languages, convenience
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Registers the language server ghostline with lsp-mode 10, beside the server that a language has already, and
;; asks it for ghost text while you type:
;;
;;   (with-eval-after-load 'lsp-mode
;;     (require 'ghostline)
;;     (ghostline-setup))
;;   (add-hook 'prog-mode-hook #'lsp-deferred)
;;
;; lsp-mode draws the ghost text and inserts it.  What is different with this package:
;;
;; * It asks `ghostline-delay' after the last key.  lsp-mode alone asks after `lsp-idle-delay', which half a dozen
;;   other features share, or after `lsp-inline-completion-idle-delay', whichever is longer: two seconds.
;; * Typing what the ghost text says keeps it on the screen.
;; * TAB takes it, and the arrow keys and C-n and C-p still move the cursor; see `ghostline-keys'.
;; * Nothing is written into the echo area.

;;; Code:

(eval-when-compile (require 'subr-x))
(require 'lsp-mode)
(require 'lsp-inline-completion)

(declare-function company--active-p "ext:company")

(defgroup ghostline nil
  "Ghost text from a language model on this machine."
  :group 'lsp-mode
  :prefix "ghostline-")

(defcustom ghostline-program "ghostline"
  "The program: a name to be found along variable `exec-path', or a path."
  :type 'string)

(defcustom ghostline-arguments '("lsp")
  "What the program is started with."
  :type '(repeat string))

(defcustom ghostline-initialization-options nil
  "Settings for the server, as a property list.
For example (:completion (:max_tokens 48)).  They are described in
docs/configuration.md and read when the server starts."
  :type 'plist)

(defcustom ghostline-modes t
  "Major modes in which ghostline runs, with those derived from them.
It is t for all, or a list; (not MODE...) is all but these."
  :type '(choice (const :tag "All" t) (repeat symbol)))

(defcustom ghostline-delay 0.05
  "Seconds after the last key until ghost text is asked for."
  :type 'number)

(defcustom ghostline-automatic t
  "Whether ghost text is asked for while you type.
If not, `lsp-inline-completion-display' asks by hand."
  :type 'boolean)

(defcustom ghostline-keys
  '(("TAB" . lsp-inline-completion-accept)
    ("<tab>" . lsp-inline-completion-accept)
    ("M-f" . ghostline-accept-word)
    ("C-n" . nil)
    ("C-p" . nil))
  "Keys while ghost text stands, added to `lsp-inline-completion-active-map'.
A key without a command keeps its usual meaning.  The keys of
`next-line' and `previous-line' would go through suggestions otherwise,
of which ghostline shows one at a time."
  :type '(alist :key-type (string :tag "Key") :value-type (choice function (const :tag "As usual" nil))))

(defvar-local ghostline--timer nil
  "Asks when it runs out.")

(defvar-local ghostline--was-shown nil
  "Whether the command that is running has put ghost text away.")

(defvar-local ghostline--has-changed nil
  "Whether the command that is running has changed the buffer.")

;;; The server

(defun ghostline--applies-p (_file mode)
  "Whether buffers in MODE are served."
  (pcase ghostline-modes
    ('t t)
    (`(not . ,others) (not (apply #'provided-mode-derived-p mode others)))
    (modes (apply #'provided-mode-derived-p mode modes))))

(defun ghostline--workspace ()
  "The server of this buffer, or nil."
  (lsp-find-workspace 'ghostline (buffer-file-name)))

(defun ghostline--accepted (command)
  "Tell the server that COMMAND's item was accepted.
Without this it would go to the language's own server, too, which knows
no such command, and Emacs would wait for both."
  (when-let* ((workspace (ghostline--workspace)))
    (with-lsp-workspace workspace
      (lsp-request-async "workspace/executeCommand"
                         (list :command (lsp:command-command command)
                               :arguments (or (lsp:command-arguments? command) []))
                         #'ignore :error-handler #'ignore :mode 'detached))))

(lsp-register-client
 (make-lsp-client
  :server-id 'ghostline
  :new-connection (lsp-stdio-connection (lambda () (cons ghostline-program ghostline-arguments)))
  :activation-fn #'ghostline--applies-p
  ;; Beside the language's own server; and one process, with one model in memory, for all projects.
  :add-on? t
  :multi-root t
  :priority -2
  :completion-in-comments? t
  :initialization-options (lambda () ghostline-initialization-options)
  :action-handlers (lsp-ht ("ghostline.accepted" #'ghostline--accepted))))

;;; Asking

(defun ghostline--popup-p ()
  "Whether a completion popup or Emacs' own preview is there, with the same keys."
  (or (bound-and-true-p completion-in-region-mode)
      (bound-and-true-p completion-preview-active-mode)
      (and (bound-and-true-p company-mode) (company--active-p))))

(defun ghostline--is-wanted-p ()
  "Whether ghost text would be in nobody's way."
  (not (or buffer-read-only
           (minibufferp)
           (use-region-p)
           executing-kbd-macro
           ;; lsp-mode would insert at one cursor only.
           (bound-and-true-p multiple-cursors-mode)
           (ghostline--popup-p)
           (seq-some #'funcall lsp-inline-completion-inhibit-predicates))))

(defun ghostline--ask ()
  "Ask for ghost text at point and show it."
  (when (ghostline--is-wanted-p)
    (let ((inhibit-message t))
      (lsp-inline-completion-display 'implicit))))

(defun ghostline--ask-in (buffer tick place)
  "Ask in BUFFER, if it still has TICK and its point is at PLACE."
  (when (and (eq buffer (current-buffer))
             (eq tick (buffer-chars-modified-tick))
             (eq place (point)))
    (ghostline--ask)))

(defun ghostline--ask-at-once ()
  "Ask without letting the screen be drawn before the answer.
The server has it at once where the ghost text that stood there was
typed on; where it takes longer the screen does not wait for it."
  (let* ((inhibit-redisplay t)
         (timer (run-at-time 0.03 nil (lambda ()
                                        (setq inhibit-redisplay nil)
                                        (redisplay)))))
    (unwind-protect (ghostline--ask)
      (cancel-timer timer))))

(defun ghostline--after-change (&rest _)
  "Note that the buffer was changed."
  (setq ghostline--has-changed t))

(defun ghostline--put-away ()
  "Note that ghost text was put away, and tell the server if it was by key."
  (setq ghostline--was-shown t)
  (when (eq this-command #'lsp-inline-completion-cancel)
    (ghostline--tell "ghostline/didDismiss")))

(defun ghostline--after-command ()
  "Ask, or see to it that it will be asked, if the command changed the buffer."
  (let ((was-shown ghostline--was-shown)
        (has-changed ghostline--has-changed))
    (setq ghostline--was-shown nil ghostline--has-changed nil)
    (when ghostline--timer
      (cancel-timer ghostline--timer)
      (setq ghostline--timer nil))
    (when (and has-changed ghostline-automatic)
      (if (and was-shown (eq this-command #'self-insert-command))
          (ghostline--ask-at-once)
        (setq ghostline--timer
              (run-with-idle-timer ghostline-delay nil #'ghostline--ask-in
                                   (current-buffer) (buffer-chars-modified-tick) (point)))))))

;;; What is shown

(defun ghostline--item ()
  "The item that is shown, if ghostline sent it."
  (let ((item (and lsp-inline-completion--items
                   (elt lsp-inline-completion--items (or lsp-inline-completion--current 0)))))
    (when-let* ((command (and item (lsp:inline-completion-item-command? item))))
      (and (equal (lsp:command-command command) "ghostline.accepted") item))))

(defun ghostline--tell (method)
  "Send the notification METHOD about the item that is shown."
  (when-let* ((item (ghostline--item))
              (workspace (ghostline--workspace)))
    (with-lsp-workspace workspace
      (lsp-notify method (list :item item)))))

(defun ghostline--shown ()
  "Tell the server that its item stands on the screen."
  (ghostline--tell "textDocument/didShowCompletion"))

(defun ghostline--accept-up-to (pattern)
  "Insert the ghost text up to the end of the first match of PATTERN."
  (let* ((item (or (ghostline--item) (user-error "No ghost text here")))
         (text (lsp:inline-completion-item-insert-text item)))
    (if (and (stringp text)
             (string-match pattern text)
             (< 0 (match-end 0) (length text)))
        (progn
          (lsp-inline-completion-cancel)
          (insert (substring text 0 (match-end 0)))
          (ghostline--ask-at-once)
          (setq ghostline--has-changed nil))
      (lsp-inline-completion-accept))))

;;;###autoload
(defun ghostline-accept-word ()
  "Insert the next word of the ghost text."
  (interactive)
  (ghostline--accept-up-to "\\`\\(?:[^[:word:]_]*[[:word:]_]+\\|[^[:word:]_]+\\'\\)"))

;;;###autoload
(defun ghostline-accept-line ()
  "Insert the ghost text up to the end of its line."
  (interactive)
  (ghostline--accept-up-to "\\`\n*[^\n]*"))

;;; Modes

;;;###autoload
(define-minor-mode ghostline-mode
  "Ask ghostline for ghost text while typing in this buffer.
`ghostline-setup' has it switched on wherever ghostline is."
  :lighter nil
  (when ghostline--timer
    (cancel-timer ghostline--timer)
    (setq ghostline--timer nil))
  (cond
   (ghostline-mode
    ;; It would ask a second time, and later.
    (when lsp-inline-completion-mode
      (lsp-inline-completion-mode -1))
    (add-hook 'after-change-functions #'ghostline--after-change nil t)
    (add-hook 'post-command-hook #'ghostline--after-command nil t)
    (add-hook 'lsp-inline-completion-shown-hook #'ghostline--shown nil t)
    (add-hook 'lsp-inline-completion-cancelled-hook #'ghostline--put-away nil t))
   (t
    (lsp-inline-completion-cancel)
    (remove-hook 'after-change-functions #'ghostline--after-change t)
    (remove-hook 'post-command-hook #'ghostline--after-command t)
    (remove-hook 'lsp-inline-completion-shown-hook #'ghostline--shown t)
    (remove-hook 'lsp-inline-completion-cancelled-hook #'ghostline--put-away t))))

(defun ghostline--configure ()
  "Switch `ghostline-mode' on if ghostline serves this buffer."
  (when (ghostline--workspace)
    (ghostline-mode)))

;;;###autoload
(defun ghostline-setup ()
  "Switch ghost text on wherever `lsp-mode' is, with the keys of `ghostline-keys'."
  (interactive)
  (pcase-dolist (`(,key . ,command) ghostline-keys)
    (define-key lsp-inline-completion-active-map (kbd key) command)
    ;; lsp-mode takes the ghost text away before any other command runs.
    (when command
      (put command 'lsp-inline-completion-keep t)))
  ;; Behind lsp-mode's own function, which switches its mode on.
  (add-hook 'lsp-configure-hook #'ghostline--configure t))

(provide 'ghostline)
;;; ghostline.el ends here
