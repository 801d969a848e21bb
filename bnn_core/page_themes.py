"""How the pages that show notebooks say which theme they have, as CSS selectors of an element around the output: for
what is drawn by this package and can't know where it is seen.
"""

# JupyterLab, Notebook and nbconvert; Visual Studio Code; Colab; Sphinx.
LIGHT = ", ".join(('[data-jp-theme-light="true"]', ".vscode-light", '[theme="light"]', '[data-theme="light"]'))
DARK = ", ".join(
    (
        '[data-jp-theme-light="false"]',
        ".vscode-dark",
        ".vscode-high-contrast:not(.vscode-high-contrast-light)",
        '[theme="dark"]',
        '[data-theme="dark"]',
    )
)
