@echo off
rem Checks the computer and the data, then trains until the run is finished, restarting after crashes and hangs.
rem
rem     scripts\start_training_robust.bat [--skip-preflight] [flags of python -m xr2text_core.train]
rem
rem Works from any folder. There are no power settings to restore afterwards, not even after the task manager has ended it:
rem none is changed. The trainer prevents sleep with a request that Windows releases with the process.

setlocal
set "PYTHON=%~dp0..\.venv\Scripts\python.exe"
if not exist "%PYTHON%" set "PYTHON=python"

if "%~1"=="--skip-preflight" goto skip
"%PYTHON%" -m xr2text_core.preflight %*
if not "%errorlevel%"=="0" exit /b %errorlevel%
"%PYTHON%" -m xr2text_core.train --supervise %*
exit /b %errorlevel%

:skip
set "FLAGS=%*"
"%PYTHON%" -m xr2text_core.train --supervise %FLAGS:--skip-preflight=%
exit /b %errorlevel%
