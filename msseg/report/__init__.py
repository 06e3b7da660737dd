"""Reports: tables, training curves and pictures of run folders, as one HTML page and as files.

`msseg.report.page.make_report` writes the page and its tables, `msseg.report.figures.write_figures` pictures.
"""
